"""Users that pace themselves to a rate, over Locust's fast client."""

import os

from locust import FastHttpUser, constant_throughput, task


class User(FastHttpUser):
    wait_time = constant_throughput(float(os.environ["EACH"]))

    @task
    def get(self):
        self.client.get("/")

"""Users who read four times as often as they order, with a check of the answer."""

import os
import random

from locust import FastHttpUser, constant_throughput, task


class Shopper(FastHttpUser):
    """One user: two requests a second."""

    host = os.environ.get("URL", "http://shop:8000")
    wait_time = constant_throughput(2)

    @task(4)
    def browse(self):
        page = random.randint(1, 50)
        with self.client.get(
            f"/api/v1/items?page={page}", name="list", catch_response=True
        ) as answer:
            if answer.status_code == 200 and not answer.json().get("ok"):
                answer.failure("the list is not there")

    @task
    def buy(self):
        self.client.post("/api/v1/orders", json={"item": random.randint(1, 1000)}, name="order")

"""What can go wrong, said in a sentence that helps."""

USE_ANOTHER = (
    "To use a cluster that you already have (kind, minikube, any other): "
    "KUBECONFIG=/path/to/config make demo"
)


class ClusterError(Exception):
    """Something failed; the message says what and what to do about it."""


class Unsupported(ClusterError):
    """This machine cannot run the embedded cluster at all (exit code 2)."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} {USE_ANOTHER}")

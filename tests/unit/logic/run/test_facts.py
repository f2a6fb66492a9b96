"""What follows from a single fact."""

import pytest

from tests.unit.logic.facts import QUOTA, SECURITY, refused


@pytest.mark.parametrize(
    ("message", "lasting"),
    [
        (QUOTA, False),
        (SECURITY, True),
        ('pods "p" is forbidden: maximum memory usage per Container is 16Mi, but limit is 1Gi',
         True),
        ('pods "p" is forbidden: minimum cpu usage per Pod is 2, but request is 1', True),
        ('Pod "p" is invalid: spec.affinity: Required value', True),
        ('pods "p" is forbidden: no PriorityClass with name high was found', True),
        ('admission webhook "images.example.com" denied the request: not signed', True),
        ('pods "p" is forbidden: ValidatingAdmissionPolicy \'a\' with binding \'b\' denied request:'
         ' no', True),
        ('failed calling webhook "images.example.com": connection refused', False),
        ('pods "p" is forbidden: error looking up service account a/default: serviceaccount'
         ' "default" not found', False),
        ("", False),
    ],
)  # fmt: skip
def test_which_refusals_stand_until_somebody_acts(message: str, lasting: bool) -> None:
    assert refused(message).lasting is lasting

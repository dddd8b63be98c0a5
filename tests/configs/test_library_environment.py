"""What libraries read from the environment: added where it is not set, and nothing that is set is changed."""

from configs.library_environment import LIBRARIES, complete


def test_what_is_set_stays_and_the_rest_is_added() -> None:
    environment = {"GOMP_SPINCOUNT": "7", "HOME": "/home/somebody"}
    complete(environment)
    assert environment == {**LIBRARIES, "GOMP_SPINCOUNT": "7", "HOME": "/home/somebody"}

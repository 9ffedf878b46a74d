import pytest


@pytest.fixture
def canary(tmp_path):
    """A file that hostile pickles would make."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "the pickle ran code"

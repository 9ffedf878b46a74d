from harness.board.reading.base_entry import BaseEntry
from harness.board.schema import BaseConfig


def test_an_entry_is_called_by_its_label_and_without_one_by_its_name():
    assert BaseEntry("net", BaseConfig(data="ring"), None).label == "net"
    assert BaseEntry("net", BaseConfig(data="ring", label="Net"), None).label == "Net"


def test_keys_of_an_entry_stand_below_its_name():
    entry = BaseEntry("net", BaseConfig(data="ring"), None)
    assert entry.at() == ("bases", "net")
    assert entry.at("pretrain", 0, "method") == ("bases", "net", "pretrain", 0, "method")

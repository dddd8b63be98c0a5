"""A link is handed to the one tab that knows its verb."""

from webui.actions import DOCUMENTS, TABS, doors, link, parsed


def test_a_link_says_what_it_does_and_to_what() -> None:
    assert link("delete", 3, "a <b>") == '<a class="act" href="#act/delete/3">a &lt;b&gt;</a>'
    assert link("off", 3, "off", "<2>").endswith('off<span class="unseen"> &lt;2&gt;</span></a>')
    assert parsed("off/3/1234") == ("off", 3) and parsed("off/x/1") == ("off", None) and parsed("") == ("", None)


def test_there_is_a_door_for_each_tab_that_verbs_are_for() -> None:
    assert set(doors()) == {DOCUMENTS, *TABS.values()}

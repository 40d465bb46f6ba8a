"""`workshop doctor` names what is missing, and the mend of each thing."""

from __future__ import annotations

from pathlib import Path

from tests.host.people import Person, person


def findings(document: dict[str, object]) -> dict[str, dict[str, object]]:
    """What was looked at, by name."""
    data = document["data"]
    assert isinstance(data, dict)
    return {each["what"]: each for each in data["findings"]}


def test_a_computer_that_can_run_workshops_is_well(me: Person) -> None:
    said = me.cli("doctor")
    assert said.code == 0
    found = findings(said.document)
    assert found["sandbox"]["well"]
    assert found["progress"]["well"]
    assert str(me.folder / "state") in str(found["progress"]["found"])


def test_without_any_engine_the_code_says_so_and_each_thing_has_its_mend(me: Person) -> None:
    said = me.cli_with({"PATH": "/nowhere"}, "doctor")
    assert said.code == 100
    found = findings(said.document)
    assert not any(found[name]["well"] for name in ("podman", "docker", "sandbox"))
    assert found["podman"]["mend"] == "optional: sudo apt-get install podman"


def test_a_session_is_looked_at_with_its_clock(me: Person) -> None:
    me.run()
    found = findings(me.cli("doctor").document)
    assert found["trip"]["found"] == "its page answers, and its clock agrees with this one"


def test_a_folder_that_cannot_be_written_is_no_good(place: Path) -> None:
    with person("ordinary user", place) as somebody:
        locked = somebody.folder / "locked"
        locked.mkdir(mode=0o500)  # as root nobody else may look into it, else one may not write
        said = somebody.cli_with({"XDG_CACHE_HOME": str(locked)}, "doctor")
    found = findings(said.document)
    assert not found["cache"]["well"]
    assert "not writable" in str(found["cache"]["found"])

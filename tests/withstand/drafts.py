"""Second versions of a rule and a score that no release has, as drafts; ``python -m tests.withstand.drafts`` is the
worker of a Mailiu where they are deployed.

Home pressure stays high from 130/80 (ACC/AHA 2017) instead of 135/85; classes of the body-mass index by WHO (25, 30)
instead of WS/T 428-2013 (24, 28).
"""

from streams import rules
from streams.scores import model
from tests.stack import ROOT

HIGH, BMI = "bp-sustained-high", "bmi-cn"
SECOND = ("version = 1\ninitial = true", "version = 2")


def rule(systolic: int, diastolic: int) -> str:
    """The rule in force with other limits, as version 2."""
    text = (ROOT / f"streams/rules/{HIGH}.v1.toml").read_text(encoding="utf-8")
    for old, new in (
        SECOND,
        ("\nsystolic = { value = 135,", f"\nsystolic = {{ value = {systolic},"),
        ("\ndiastolic = { value = 85,", f"\ndiastolic = {{ value = {diastolic},"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


def score() -> str:
    """The classes of the body-mass index by WHO, as version 2."""
    text = (ROOT / f"streams/scores/data/{BMI}.v1.toml").read_text(encoding="utf-8")
    for old, new in (SECOND, ("below = 24\n", "below = 25\n"), ("below = 28\n", "below = 30\n")):
        assert old in text
        text = text.replace(old, new)
    return text


def deploy() -> None:
    """Release both in this process."""
    rules.released()[HIGH][2] = rules.parse(rule(130, 80))
    model.released()[BMI][2] = model.parse(score())


def withdraw() -> None:
    """Take both back."""
    rules.released()[HIGH].pop(2, None)
    model.released()[BMI].pop(2, None)


if __name__ == "__main__":
    from infra.part import log_to_stderr
    from streams.worker import run

    log_to_stderr()
    deploy()
    run()

"""What a score's function answers, and the warnings that several models share."""

from typing import Any, NamedTuple

from streams.scores.model import Text

#: Warnings by code, in Chinese and English.
WARNINGS: dict[str, Text] = {
    "not-calibrated-for-china": {
        "zh": "该模型未用中国人群校准，仅供参考",
        "en": "not calibrated for China: for reference only",
    },
    "region-unverified": {
        "zh": "中国所属风险地区未经核实，需由使用者选定",
        "en": "which risk region China belongs to is not verified: the user names it",
    },
    "outside-derivation-age": {
        "zh": "年龄超出建模人群（35-74岁）",
        "en": "age outside that of the cohorts it was made from (35 to 74 years)",
    },
    "high-without-scoring": {
        "zh": "按中国指南可直接列为高危，无需评分",
        "en": "high risk by the Chinese guideline without scoring",
    },
    "diabetes-has-own-model": {
        "zh": "糖尿病患者宜用SCORE2-Diabetes",
        "en": "SCORE2-Diabetes is the model for people with diabetes",
    },
    "range-printed": {
        "zh": "指南在此格印的是范围，故给出范围",
        "en": "the guideline prints a range in this cell, so a range is given",
    },
    "edition-2024": {
        "zh": "2018年版此格为空，2024年版列为低危（二手来源）",
        "en": "empty in the 2018 edition, low in the 2024 one (secondary source)",
    },
    "factors-not-given": {
        "zh": "未提供的危险因素按无计，分层可能偏低",
        "en": "factors that are not given count as absent: the stratum may be too low",
    },
    "single-parameter-three": {
        "zh": "有单项评分为3分：须紧急评估",
        "en": "one parameter alone scores 3: urgent review",
    },
    "acute-care-only": {
        "zh": "用于医疗机构内的急性期评估，不用于家庭测量",
        "en": "for acute care in institutions, never for readings at home",
    },
    "screening-only": {"zh": "筛查结果，不作诊断", "en": "a screen, no diagnosis"},
    "assumed-absent": {
        "zh": "未提供的项目按“无”计",
        "en": "what was not given counts as absent",
    },
    "confirm-by-repeat": {
        "zh": "无典型症状者须改日复查确认",
        "en": "without typical symptoms to be confirmed on another day",
    },
    "grade-before-treatment": {
        "zh": "按治疗前血压分级",
        "en": "graded by the pressure before treatment",
    },
}


class Outcome(NamedTuple):
    """The value in the model's unit, the class if it does not follow from the value, further values, warnings."""

    value: float | None
    name: str | None = None
    values: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    label: Text | None = None

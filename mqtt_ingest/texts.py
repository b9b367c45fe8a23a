"""Why something was refused, in Chinese and English. A text names the field and the value it is about."""

from typing import NamedTuple


class Reason(NamedTuple):
    """A reason in both languages; ``{detail}`` is filled with what the check found."""

    zh: str
    en: str


REASONS: dict[str, Reason] = {
    # the payload as a whole
    "unreadable": Reason("无法解析：{detail}", "cannot be read: {detail}"),
    "too-large": Reason("超过 {detail} 字节的上限", "is larger than {detail} bytes"),
    "unknown-kind": Reason("未知的数据类型", "is no kind of message that Mailiu knows"),
    "invalid": Reason("不符合规定：{detail}", "does not follow its format: {detail}"),
    "not-supported": Reason("暂不支持", "is not supported"),
    # technical faults of a measurement
    "not-a-number": Reason("不是数值，测量失败", "is not a number: the measurement failed"),
    "not-at-this-resolution": Reason("超出设备的分辨率，测量失败", "is beyond the device's resolution"),
    "infinite": Reason("超出设备的量程", "is beyond the device's range"),
    "out-of-limits": Reason("超出可信范围：{detail}", "is outside the plausible limits: {detail}"),
    "swapped-pair": Reason("舒张压不低于收缩压", "diastolic is not below systolic"),
    "error-code": Reason("设备报告测量错误", "the device reports an error"),
    "no-value": Reason("没有测量值", "there is no value"),
    "cancelled": Reason("该次测量已取消", "the measurement was cancelled"),
    "entered-in-error": Reason("该次测量被标记为录入错误", "the measurement is marked as entered in error"),
    "control-solution": Reason("是质控液测试，不是居民的测量", "is a test with control solution, nobody's reading"),
    "test-data": Reason("是演示或测试数据", "is data of a demonstration or a test"),
    # whose reading it is
    "unknown-device": Reason("设备未登记", "is no registered device"),
    "wrong-institution": Reason("设备不属于该机构", "the device belongs to another institution"),
    "not-authorized": Reason("网关未获准代发该设备的数据", "may not be published for by this gateway"),
    "unbound-device": Reason("测量时设备（或用户位）未绑定居民", "the device (or user slot) was bound to nobody then"),
    "ambiguous-binding": Reason(
        "设备时钟不可信，且临近换绑时间，无法确定是谁的测量",
        "the device's clock is not trusted and the binding changed about then, so it may be somebody else's",
    ),
    "conflict": Reason("同一编号已收到内容不同的数据", "the same id came before with other content"),
}


def explain(code: str, field: str, value: str, detail: str = "") -> dict[str, str]:
    """The message of a refusal in both languages: field, value, reason."""
    reason = REASONS[code]
    zh = reason.zh.replace("{detail}", _chinese(detail)).rstrip("：")
    en = reason.en.replace("{detail}", detail).rstrip(": ")
    return {"zh": f"{field}（{value}）{zh}", "en": f"{field} ({value}) {en}"}


#: What our own checks say, by its first words; what a parser says stays as the parser put it.
DETAILS = {
    "required": "必填",
    "one of ": "应为其中之一：",
    "a number is needed": "应为数值",
    "a whole number from ": "应为整数，范围 ",
    "a text is needed": "应为文本",
    "a text of 1 to ": "应为文本，最大长度 ",
    "a date is needed": "应为日期",
    "an RFC 3339 instant is needed": "应为 RFC 3339 时间",
    "a JSON object is needed": "应为 JSON 对象",
    "an array of texts is needed": "应为文本数组",
    "an array is needed": "应为数组",
    "Patient/ID is needed": "应为 Patient/ID",
    "an empty array holds no reading": "数组为空，没有测量",
    "no such year": "年份无效",
    "reserved bits are set": "保留位被置位",
    "the flags demand ": "按标志位应有字节数：",
    "empty": "内容为空",
    "no such member in this schema": "该模式没有此字段",
    "either date_time or time_interval": "应为 date_time 或 time_interval 之一",
    "two of start_date_time, end_date_time and duration": "应有 start_date_time、end_date_time、duration 中的两个",
    "too long": "时间过长",
    "given twice": "重复出现",
    "unlike the other pressures' ": "与其他血压值单位不同：",
    "half of a blood pressure: send the panel 85354-9": "只有一半血压：应发送 85354-9",
    "an aggregate is no single measurement": "统计值不是单次测量",
    "no reading in it": "其中没有测量",
    "a number of a person is no id": "个人号码不能作为编号",
    "holds a number of a person": "含有个人号码",
    "hex digits are needed": "应为十六进制数字",
}


def _chinese(detail: str) -> str:
    for english, chinese in DETAILS.items():
        if detail.startswith(english):
            rest = detail.removeprefix(english)
            return chinese + rest.removesuffix(" bytes").removesuffix(" is needed").removesuffix(" characters")
    return detail

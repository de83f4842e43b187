"""Long conversations, made at once: nobody waits for a hundred replies."""

from tests.site import Sent, Site

TURNS = """
    WITH RECURSIVE turn(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM turn WHERE n < ?)
    INSERT INTO chat_message (id, conversation_id, parent_id, role, text, reasoning, completion_id, choice_index,
                              finish_reason, prefix_length, created)
    SELECT ? + n, conversation_id, ? + n - 1, CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, 'turn ' || n, '',
           CASE n % 2 WHEN 1 THEN NULL ELSE completion_id END, 0, CASE n % 2 WHEN 1 THEN '' ELSE 'stop' END, 0, created
    FROM turn, (SELECT * FROM chat_message WHERE id = ?)
"""


def lengthen(site: Site, sent: Sent, turns: int) -> range:
    """Goes on from a reply that has settled; the ids of the new messages, whose texts are "turn 1" and so on.

    All new replies are the same completion's: enough to be read.
    """
    site.settled(sent.completion)
    newest = site.rows("SELECT max(id) AS id FROM chat_message")[0]["id"]
    assert newest == sent.reply, "it goes on from the newest message"
    site.change(TURNS, turns, newest, newest, newest)
    site.change(
        "UPDATE chat_conversation SET leaf_id = ? WHERE id = ?", newest + turns, sent.conversation.replace("-", "")
    )
    return range(newest + 1, newest + turns + 1)

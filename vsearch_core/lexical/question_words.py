"""Leave question words out of queries in languages that are written without spaces, or with endings on every word.

Elsewhere a question word is a function word, of which no terms are made. In Chinese, Japanese and Thai it is no word to
the analyzer but some characters, whose bigrams find every chunk that asks or quotes a question; in Korean it has many
forms. Documents keep these words, since only a query is about something else than its own question.
"""

import re

_CHINESE = (
    "为什么|為什麼|什么样的?|什麼樣的?|什么|什麼|怎么样?|怎麼樣?|怎样|怎樣|如何|哪一?[个個些种種位項项年]|哪[里裡裏儿兒]|谁|誰|多少"
    "|何[时時处處种種地]|是否|[吗嗎呢](?=[?？。\\s]|$)"
)
_JAPANESE = (
    "どのよう[なに]|(?<![なほ])どの|(?<!ほ)どこ|どれ[くほ]|どちら|どんな|どうして|どうやって|どうすれば|なぜ|何故|とは何|いくつ"
    "|(?:何|なん)(?:です|でしょう)か|でしょうか|ですか|ますか"
)
_KOREAN = r"(?<!\S)(?:무엇|누가|누구|언제|어디|어느|어떤|어떻게|무슨|얼마|몇)\S*|(?<!\S)왜(?!\S)"
_THAI = "อะไร|ใคร|เมื่อไร|เมื่อไหร่|เมื่อใด|ที่ไหน|ทำไม|อย่างไร|ยังไง|เท่าไร|เท่าไหร่|หรือไม่|หรือเปล่า"
_QUESTION_WORDS = re.compile("|".join((_CHINESE, _JAPANESE, _KOREAN, _THAI)))


def without_question_words(text: str) -> str:
    """Return a query with a blank in place of each question word; the query itself if no letter or digit would stay."""
    if text.isascii():
        return text
    rest = _QUESTION_WORDS.sub(" ", text)
    return rest if any(char.isalnum() for char in rest) else text

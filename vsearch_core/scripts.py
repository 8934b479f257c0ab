"""Unicode ranges of scripts that are written without spaces between words, for `re`'s character classes.

The chunker, the token estimate and the analyzer need different ranges on purpose. The chunker counts whole blocks with
their punctuation. The token estimate counts all East Asian characters. The analyzer needs exactly the characters that
form words.
"""

# Whole blocks: letters, marks, digits and punctuation.
SOUTHEAST_ASIAN = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
RADICALS = "\u2e80-\u2fdf"
KANA = "\u3001-\u30ff\u31f0-\u31ff"  # with the punctuation of Chinese and Japanese
ENCLOSED = "\u3200-\u33ff"  # encircled numbers, squared units
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
EAST_ASIAN = "\u2e80-\u9fff"  # from the radicals to the common Han characters, all between them included
HANGUL_SYLLABLES = "\uac00-\ud7af"
FULLWIDTH = "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"  # punctuation, and half-width kana

# The characters that make words, and Hangul, whose words are too inflected to match whole. Jamo, radicals and combining
# kana marks are here because decomposed text (file systems, PDFs) holds them.
UNSPACED = (
    f"{RADICALS}\u1100-\u11ff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7fb"
    "\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u1049\u1050-\u109d\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
)
COMMON_UNSPACED = "\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\uac00-\ud7a3"  # common ones: \w matches them all
FIRST_UNSPACED = "\u0e01"  # the lowest code point in UNSPACED

"""Measure the character error rate of text recognition on whole pages, in five languages.

    python -m benchmarks.recognition [--font DejaVuSerif.ttf] [--dots 150] [--tesseract]

An A4 page of sentences is drawn in 11 points for each language: once clean, and once as a scan (turned by half a
degree, blurred, with noise, saved as a JPEG of quality 60). The error rate is the Levenshtein distance of the
recognised text and the drawn one, over the drawn one's length; white space of any kind counts as one space.

With --tesseract, the program of that name reads the same pages, with its data of the language, which on Debian are the
packages tesseract-ocr, tesseract-ocr-deu, -fra, -spa and -pol.
"""

import argparse
import io
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.machine import describe
from vsearch_core.text.extract.recognition import as_text, recognise

SENTENCES: Mapping[str, Sequence[str]] = {
    "English": (
        "The keeper of the weir wrote down the level of the river every morning at seven o'clock.",
        "In 1874 the old mill was sold for £320, together with its two wheels and the meadow behind it.",
        "Nobody quite remembers why the gauge was moved, but the figures since then are lower by 12.5 cm.",
        '"Open the sluice slowly," he used to say, "or you will wash the herons out of their nests!"',
        "A report of the inspector (see page 48) mentions cracks in the north wall; they were filled with lime.",
        "Between May and September, barges carried grain, timber and coal as far as the stone bridge.",
        "Which of the three valves should be closed first depends on the wind, the frost and the season.",
    ),
    "German": (
        "Der Wärter des Wehrs schrieb jeden Morgen um sieben Uhr den Wasserstand des Flusses auf.",
        "Im Jahr 1874 wurde die alte Mühle für 320 Taler verkauft, samt zwei Rädern und der großen Wiese.",
        "Niemand weiß mehr genau, weshalb der Pegel versetzt wurde; seither sind die Werte um 12,5 cm kleiner.",
        "„Öffnet den Schieber langsam“, pflegte er zu sagen, „sonst spült ihr die Reiher aus den Nestern!“",
        "Ein Bericht des Prüfers (siehe Seite 48) erwähnt Risse in der Nordmauer; man füllte sie mit Kalk.",
        "Zwischen Mai und September fuhren Kähne mit Getreide, Holz und Kohle bis zur steinernen Brücke.",
        "Welches der drei Ventile zuerst zu schließen ist, hängt von Wind, Frost und Jahreszeit ab.",
    ),
    "French": (
        "Le gardien du barrage notait chaque matin, à sept heures, le niveau de la rivière.",
        "En 1874, le vieux moulin fut vendu 320 francs, avec ses deux roues et le pré situé derrière.",
        "Personne ne sait plus pourquoi l'échelle a été déplacée ; depuis, les hauteurs baissent de 12,5 cm.",
        "« Ouvrez la vanne lentement, disait-il, sinon vous chasserez les hérons de leurs nids ! »",
        "Un rapport de l'inspecteur (voir page 48) signale des fissures dans le mur nord, comblées à la chaux.",
        "De mai à septembre, des péniches transportaient du blé, du bois et du charbon jusqu'au pont de pierre.",
        "Laquelle des trois vannes faut-il fermer d'abord ? Cela dépend du vent, du gel et de la saison, bien sûr.",
    ),
    "Spanish": (
        "El guardián de la presa anotaba cada mañana, a las siete, el nivel del río.",
        "En 1874 el viejo molino se vendió por 320 reales, con sus dos ruedas y el prado que había detrás.",
        "Nadie recuerda muy bien por qué se movió la regla; desde entonces las cifras son 12,5 cm más bajas.",
        "«Abrid la compuerta despacio», solía decir, «¡o echaréis a las garzas de sus nidos!»",
        "Un informe del inspector (véase la página 48) menciona grietas en el muro norte, rellenadas con cal.",
        "Entre mayo y septiembre, las barcazas llevaban trigo, leña y carbón hasta el puente de piedra.",
        "¿Cuál de las tres válvulas hay que cerrar primero? Depende del viento, del año y de la estación.",
    ),
    "Polish": (
        "Strażnik jazu każdego ranka o siódmej zapisywał poziom wody w rzece.",
        "W roku 1874 stary młyn sprzedano za 320 rubli, razem z dwoma kołami i łąką, która leżała za nim.",
        "Nikt już nie pamięta, dlaczego przesunięto łatę; od tamtej pory wyniki są niższe o 12,5 cm.",
        "„Otwierajcie śluzę powoli”, mawiał, „bo wypłoszycie czaple z gniazd!”",
        "Sprawozdanie inspektora (zob. strona 48) wspomina o pęknięciach w ścianie północnej; wypełniono je wapnem.",
        "Od maja do września barki woziły zboże, drewno i węgiel aż do kamiennego mostu.",
        "Który z trzech zaworów należy zamknąć najpierw, zależy od wiatru, mrozu i pory roku, a także od źródeł.",
    ),
}
_SIZE = (8.27, 11.69)  # inches of A4
_MARGIN, _POINTS, _SPACING = 0.8, 11, 1.35  # inches; points of the letters; heights of a line


_DATA = {"English": "eng", "German": "deu", "French": "fra", "Spanish": "spa", "Polish": "pol"}  # of Tesseract


def page_of(sentences: Sequence[str], font: Any, dots: int, chance: np.random.Generator) -> tuple[Any, str]:
    """Return an image of a page that is filled with the sentences in changing order, and its text."""
    from PIL import Image, ImageDraw

    width, height = (round(dots * inches) for inches in _SIZE)
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    margin, step = round(dots * _MARGIN), round(dots / 72 * _POINTS * _SPACING)
    lines: list[str] = []
    line = ""
    while len(lines) < (height - 2 * margin) // step:
        for word in " ".join(chance.permutation(list(sentences))).split():
            if draw.textlength(f"{line} {word}", font=font) > width - 2 * margin:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
    lines = lines[: (height - 2 * margin) // step]
    for number, shown in enumerate(lines):
        draw.text((margin, margin + step * number), shown, font=font, fill=0)
    return image, " ".join(lines)


def scanned(image: Any, chance: np.random.Generator) -> Any:
    """Return the page as a scan of it looks."""
    from PIL import Image, ImageFilter

    turned = image.rotate(0.5, Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(0.6))
    noisy = np.asarray(turned, dtype=np.float32) * 0.88 + 18 + chance.normal(size=(turned.height, turned.width)) * 9
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=60)
    return Image.open(out)


def distance(one: str, other: str) -> int:
    """Return the Levenshtein distance of two texts (Wagner and Fischer, 1974), a row at once."""
    letters = np.array([ord(letter) for letter in other])
    places = np.arange(len(other) + 1)
    row = places
    for number, letter in enumerate(one, 1):
        best = np.concatenate([[number], np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))])
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def by_tesseract(image: Any, language: str, dots: int) -> str:
    """Return the text that Tesseract reads in a picture, in one thread."""
    page = io.BytesIO()
    image.save(page, "PNG", dpi=(dots, dots))
    command = ("tesseract", "-", "-", "-l", _DATA[language], "--dpi", str(dots))
    done = subprocess.run(
        command, input=page.getvalue(), capture_output=True, check=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"}
    )
    return " ".join(done.stdout.decode().split())


def by_rapidocr(image: Any, language: str, dots: int) -> str:
    """Return the text that is recognised with --ocr."""
    return " ".join(as_text(recognise(image.convert("RGB"))).split())


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the programs that it ran."""
    return sum(os.times()[:4])


def main() -> None:
    """Draw the pages, and print the error rates."""
    from PIL import ImageFont

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--font", default="DejaVuSerif.ttf")
    parser.add_argument("--dots", type=int, default=150)
    parser.add_argument("--tesseract", action="store_true")
    arguments = parser.parse_args()
    readers = {"rapidocr": by_rapidocr, **({"tesseract": by_tesseract} if arguments.tesseract else {})}
    font = ImageFont.truetype(arguments.font, round(arguments.dots / 72 * _POINTS))
    chance = np.random.default_rng(7)
    print(describe())
    for language, sentences in SENTENCES.items():
        image, text = page_of(sentences, font, arguments.dots, chance)
        for kind, shown in (("clean", image), ("scan", scanned(image, chance))):
            for name, read in readers.items():
                start = cpu_seconds()
                found = read(shown, language, arguments.dots)
                took = cpu_seconds() - start
                rate = distance(text, found) / len(text)
                print(
                    f"{language:8} {kind:5} {len(text):5} letters  {name:9} error rate {rate:.4f}  {took:.1f} s of CPU",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""The Portuguese texts of `verify`, by their English ones."""

from __future__ import annotations

VERIFY_TEXTS = {
    "Check that a bundle is as Autos built it, on this machine: nothing is sent.\n\n"
    "A ZIP: each document has the bytes of its SHA-256, none is missing, none was added. A PDF: no byte was "
    "changed; the originals are not inside, only their SHA-256. Neither is signed: whoever rewrites the whole file "
    "can rewrite the sums too, so compare the SHA-256 of a document with the service's.": (
        "Confere nesta máquina se um conjunto de autos está como o Autos o montou: nada é enviado.\n\n"
        "ZIP: cada documento tem os bytes do seu SHA-256, nenhum falta, nenhum foi acrescentado. PDF: nenhum byte "
        "mudou; os originais não estão dentro, só o seu SHA-256. Nenhum dos dois é assinado: quem reescreve o "
        "arquivo inteiro pode reescrever as somas, por isso compare o SHA-256 de um documento com o do serviço."
    ),
    "A bundle: a PDF or a ZIP.": "Os autos em um só arquivo: PDF ou ZIP.",
    "Print the result as one JSON object.": "Mostra o resultado como um objeto JSON.",
    "{name}: changed or damaged": "{name}: alterado ou danificado",
    "{name}: missing": "{name}: falta",
    "{name}: does not belong to the bundle": "{name}: não faz parte do conjunto",
    "{name}: not what the manifest says": "{name}: diferente do que diz o manifesto",
    "{file}: cannot be read ({reason}).": "{file}: não pode ser lido ({reason}).",
    "{file}: no bundle of Autos, or too damaged to be checked.": (
        "{file}: não foi montado pelo Autos, ou está danificado demais para ser conferido."
    ),
    "{file}: not as Autos built it": "{file}: não está como o Autos o montou",
    "{file}: as Autos built it": "{file}: está como o Autos o montou",
    "process {number}, {documents} documents inside, {omitted} not inside": (
        "processo {number}, {documents} documentos dentro, {omitted} fora"
    ),
    "a document without a name": "um documento sem nome",
}

"""The types of documents that lawyers and courts file, with the file names that the court's systems use."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.files import HTML, PDF, PLAIN, RTF


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A type of the national table (``code``), with its file name and media type."""

    code: int
    name: str
    file_name: str
    media_type: str


# The first documents of every process.
_OPENING = (
    DocumentType(58, "Petição Inicial", "Petição Inicial.pdf", PDF),
    DocumentType(161, "Procuração", "Procuração.pdf", PDF),
    DocumentType(172, "Documento de Identificação", "RG/CPF - frente e verso.pdf", PDF),
)
# The types of later documents. A duplicate row makes its type twice as frequent.
_LATER = (
    DocumentType(57, "Petição", "Petição.pdf", PDF),
    DocumentType(57, "Petição", "Petição.pdf", PDF),
    DocumentType(60, "Contestação", "Contestação.pdf", PDF),
    DocumentType(62, "Manifestação", "Manifestação; réplica, com anexos.pdf", PDF),
    DocumentType(166, "Documento de Comprovação", "Comprovante de residência", PDF),
    DocumentType(166, "Documento de Comprovação", "Nota fiscal nº 12/2025.pdf", PDF),
    DocumentType(121, "Laudo Pericial", "Laudo Pericial 1/2.pdf", PDF),
    DocumentType(107, "Certidão", "Certidão.pdf", PDF),
    DocumentType(63, "Ofício", "Ofício - resposta do órgão.pdf", PDF),
    DocumentType(80, "Ata de Audiência", "Ata de Audiência.rtf", RTF),
    DocumentType(64, "Sentença", "Sentença.html", HTML),
    DocumentType(65, "Decisão", "Decisão.html", HTML),
    DocumentType(66, "Despacho", "Despacho.html", HTML),
    DocumentType(67, "Ato Ordinatório", "Ato Ordinatório.html", HTML),
    DocumentType(67, "Ato Ordinatório", "Ato Ordinatório.html", HTML),
    DocumentType(90, "Transcrição", "Transcrição da audiência.txt", PLAIN),
)
_APPEAL = DocumentType(70, "Apelação", "Apelação.pdf", PDF)

BARE_TEXT = DocumentType(166, "Documento de Comprovação", "Anotação.txt", PLAIN)
"""The type of documents that are too small for any other format."""


def document_type(position: int, degree: int, draw: int) -> DocumentType:
    """Return the type of a document.

    Args:
        position: the document's position in filing order of its degree, from 0.
        degree: 1 or 2.
        draw: a random number that chooses where the position does not decide.
    """
    if degree > 1:
        return _LATER[draw % len(_LATER)] if position else _APPEAL
    return _OPENING[position] if position < len(_OPENING) else _LATER[draw % len(_LATER)]

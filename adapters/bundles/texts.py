"""The words inside a bundle. They are Portuguese, the language of the documents and of those who read them."""

from __future__ import annotations

from datetime import datetime

from domain.brasilia import in_brasilia
from domain.bundle_contents import Omission, OmissionReason, Piece

_REASONS = {
    OmissionReason.VIDEO: "É um vídeo, que não tem páginas.",
    OmissionReason.AUDIO: "É um áudio, que não tem páginas.",
    OmissionReason.ARCHIVE: "É um arquivo compactado, que não tem páginas.",
    OmissionReason.UNSUPPORTED: "O formato não pode ser convertido em páginas.",
    OmissionReason.ENCRYPTED: "O PDF só abre com senha.",
    OmissionReason.DAMAGED: "O arquivo está danificado e não abre como PDF.",
    OmissionReason.EMPTY: "O arquivo não tem páginas.",
    OmissionReason.TOO_LARGE: "O arquivo é grande demais para ser convertido em páginas.",
    OmissionReason.NOT_CONVERTED: "O arquivo não pôde ser convertido em páginas.",
    OmissionReason.FAILED: "O tribunal não entregou o documento.",
    OmissionReason.PENDING: "O documento ainda não foi baixado do tribunal.",
    OmissionReason.NO_CONTENT: "O tribunal lista o documento sem nenhum arquivo.",
    OmissionReason.WITHHELD: (
        "O documento é sigiloso ou deixou de ser exibido pelo tribunal, e a chave usada não o lê."
    ),
}
UNTITLED = "Documento sem nome"
WITHHELD_TITLE = "Documento sob sigilo"
COVER = "Capa"
TABLE = "Índice"
NO_INSTANCE = "Sem instância"
SIGNATURES_NOTE = (
    "A reunião em um só PDF desfaz as assinaturas digitais. Os originais assinados são identificados pelo seu "
    "SHA-256, no índice e no anexo manifest.json."
)
SIGNATURES_NOTE_ENGLISH = (
    "Merging breaks digital signatures. The signed originals are named by their SHA-256, in the table of documents "
    "and in the attached manifest.json."
)
REPAIRED_NOTE = "PDF danificado, reparado para ser incluído: pode faltar conteúdo. Confira o original."


def reason_text(piece: Piece, reason: OmissionReason) -> str:
    """Return why a piece is missing, with its own detail."""
    return f"{_REASONS[reason]} {piece.detail}".strip()


def title_of(piece: Piece) -> str:
    """Return what a piece is called in the bundle."""
    if piece.omitted is OmissionReason.WITHHELD:
        return WITHHELD_TITLE
    return piece.title or UNTITLED


def omission_of(piece: Piece, reason: OmissionReason) -> Omission:
    """Return what a bundle says of a piece that it does not contain."""
    return Omission(piece.position, piece.document_id, piece.title, reason, reason_text(piece, reason))


def day(moment: datetime | None) -> str:
    """Return the day of a moment in Brasília. Empty without one."""
    return in_brasilia(moment).strftime("%d/%m/%Y") if moment else ""


def day_and_time(moment: datetime | None) -> str:
    """Return a moment in Brasília's time."""
    return in_brasilia(moment).strftime("%d/%m/%Y às %H:%M") if moment else "data desconhecida"


def size(size_bytes: int) -> str:
    """Return a size for people."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    value, unit = (size_bytes / 1000, "kB") if size_bytes < 1_000_000 else (size_bytes / 1_000_000, "MB")
    return f"{value:,.1f} {unit}".replace(",", " ").replace(".", ",")


def counted(number: int, noun: str, plural: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun if number == 1 else plural}"

"""The Portuguese texts of `bundle`, `verify` and those on the case, by their English ones."""

from __future__ import annotations

from autos_client_cli.portuguese_verify import VERIFY_TEXTS

BUNDLE_TEXTS = {
    **VERIFY_TEXTS,
    "Save the stored documents of a process as one file: a PDF with a cover, a table and bookmarks, or a ZIP.\n\n"
    "The name of the file decides which. The service builds it once; the same command again takes it from there. A "
    "download that broke off goes on where it ended. What is not inside is named, here and in the file.\n\n"
    "Exit codes: 0 every document is inside, 6 some are not, 3 the process is not known, 7 the file cannot be "
    "built, 5 the API does not answer, 130 interrupted.": (
        "Salva os documentos guardados de um processo num só arquivo: um PDF com capa, índice e marcadores, ou um "
        "ZIP.\n\n"
        "O nome do arquivo decide qual. O serviço o monta uma vez; o mesmo comando de novo o busca pronto. Uma "
        "transferência interrompida continua de onde parou. O que não está dentro é dito, aqui e no arquivo.\n\n"
        "Códigos de saída: 0 todos os documentos estão dentro, 6 faltam alguns, 3 o processo não é conhecido, 7 o "
        "arquivo não pode ser montado, 5 a API não responde, 130 interrompido."
    ),
    "The file: its name ends in .pdf or .zip.": "O arquivo: o nome termina em .pdf ou .zip.",
    "NAME": "NOME",
    "DAY": "DIA",
    "Only this instance, as in G1. May be repeated.": "Só esta instância, como G1. Pode ser repetido.",
    "Only this type of document. May be repeated.": "Só este tipo de documento. Pode ser repetido.",
    "Only what was filed on that day or later.": "Só o que foi juntado nesse dia ou depois.",
    "Only what was filed on that day or earlier.": "Só o que foi juntado nesse dia ou antes.",
    "Only this document. May be repeated.": "Só este documento. Pode ser repetido.",
    "filed: by instance and filing date (the default). listed: as the court lists them.": (
        "filed: por instância e data de juntada (o padrão). listed: na ordem do tribunal."
    ),
    "Replace a file of that name with other content.": "Substitui um arquivo desse nome com outro conteúdo.",
    "The name of the file has to end in .pdf or .zip.": "O nome do arquivo precisa terminar em .pdf ou .zip.",
    "--order is filed or listed.": "--order é filed ou listed.",
    "Interrupted. The same command goes on where it ended.": (
        "Interrompido. O mesmo comando continua de onde parou."
    ),
    "With --overwrite, it is replaced.": "Com --overwrite, ele é substituído.",
    "The file cannot be written: {reason}.": "O arquivo não pode ser gravado: {reason}.",
    "{count} page": "{count} página",
    "{count} pages": "{count} páginas",
    "Not inside:": "Fora do arquivo:",
    "a document without a name": "um documento sem nome",
    "withheld": "sigiloso",
    "and {count} more": "e mais {count}",
    "the service builds it: {done} of {total} documents": "o serviço monta o arquivo: {done} de {total} documentos",
}

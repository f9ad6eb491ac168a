"""The Portuguese texts of `watch` and `events`, by their English ones."""

from __future__ import annotations

WATCH_TEXTS = {
    "Watch processes: the service looks at them at intervals, and tells what is new by webhook and in `events`.": (
        "Acompanha processos: o serviço os consulta de tempos em tempos e avisa das novidades por webhook e em "
        "`events`."
    ),
    "List what you were told, or would have been told by webhook, the oldest first.": (
        "Lista os avisos que você recebeu, ou teria recebido por webhook, do mais antigo ao mais novo."
    ),
    "active": "ativo",
    "late": "atrasado",
    "no access": "sem acesso",
    "not found": "não encontrado",
    "NUMBER…": "NÚMERO…",
    "The process numbers.": "Os números dos processos.",
    "Watch processes, or change what their watches do.\n\n"
    "What the first look shows is not new. Whether reading through the portal counts as taking notice (ciência) "
    "of a pending communication is not known: --list-only is the careful way.": (
        "Acompanha processos, ou muda como são acompanhados.\n\n"
        "O que a primeira consulta mostra não é novidade. Não se sabe se a leitura pelo portal conta como ciência "
        "de uma comunicação pendente: --list-only é o modo cauteloso."
    ),
    "Also the numbers in a file, one a line; - is standard input.": (
        "Também os números de um arquivo, um por linha; - é a entrada padrão."
    ),
    "The longest time between two looks, as in 1h or 24h. Default: 24h.": (
        "O maior tempo entre duas consultas, como 1h ou 24h. Padrão: 24h."
    ),
    "Where events are sent.": "Para onde os avisos são enviados.",
    "Be told of every look, also if nothing is new.": "Avisa a cada consulta, mesmo sem novidade.",
    "Only list the documents at the court, and download none.": (
        "Só lista os documentos no tribunal, sem baixar nenhum."
    ),
    "{count} watched.": "{count} em acompanhamento.",
    "List the processes that you watch, the newest first.": (
        "Lista os processos que você acompanha, do mais novo ao mais antigo."
    ),
    "STATE": "ESTADO",
    "Only active, late, no_access or not_found ones.": "Só os active, late, no_access ou not_found.",
    "EVERY": "A CADA",
    "LAST LOOK": "ÚLTIMA CONSULTA",
    "NEXT LOOK": "PRÓXIMA CONSULTA",
    "There are no such watches.": "Não há acompanhamentos assim.",
    "Stop watching processes. What you were told remains in `events`.": (
        "Deixa de acompanhar processos. Os avisos já dados continuam em `events`."
    ),
    "{number}: no longer watched.": "{number}: não é mais acompanhado.",
    "Only those after this number.": "Só os posteriores a este número.",
    "Some events are no longer kept.": "Alguns avisos já não são guardados.",
    "There are no such events.": "Não há avisos assim.",
    "There are more: --after {number} shows them.": "Há mais: --after {number} os mostra.",
}

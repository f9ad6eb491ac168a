"""The Portuguese texts of `erase` and `hold`, by their English ones."""

from __future__ import annotations

ERASURE_TEXTS = {
    "TEXT": "TEXTO",
    "Why. It stays in the receipt: name nobody.": "O motivo. Fica no recibo: não cite pessoas.",
    "Why.": "O motivo.",
    "Erase everything of a process for good, and show the receipt. The process is blocked from then on.\n\n"
    "Needs a key with the scope admin. A legal hold prevents it.": (
        "Apaga tudo de um processo em definitivo e mostra o recibo. O processo fica bloqueado a partir daí.\n\n"
        "Precisa de uma chave com o escopo admin. Uma guarda legal impede."
    ),
    "Do not ask.": "Não pergunta.",
    "Do not wait for the end of the erasure.": "Não espera o fim do apagamento.",
    "Erase nothing: remove the block of a process that was erased.": (
        "Não apaga nada: retira o bloqueio de um processo que foi apagado."
    ),
    "--allow-again takes none of the other options.": "--allow-again não aceita as outras opções.",
    "Place a legal hold on a process: neither a request nor the retention period erases it.\n\n"
    "Needs a key with the scope admin.": (
        "Põe um processo sob guarda legal: nem um pedido nem o prazo de retenção o apaga.\n\n"
        "Precisa de uma chave com o escopo admin."
    ),
    "Release the hold.": "Retira a guarda.",
    "Only show whether there is a hold.": "Só mostra se há guarda.",
    "Give one of --reason, --release and --show.": "Use só uma destas opções: --reason, --release, --show.",
    "Nobody can be asked here: give --yes to erase {number}.": (
        "Não há a quem perguntar aqui: use --yes para apagar {number}."
    ),
    "Erase everything of {number} for good? This cannot be taken back.": (
        "Apagar tudo de {number} em definitivo? Isto não pode ser desfeito."
    ),
    "The erasure runs. Ctrl-C leaves it running.": "O apagamento está em andamento. Ctrl-C não o interrompe.",
    "erased {time}": "apagado em {time}",
    "being erased since {time}": "sendo apagado desde {time}",
    "requested {time} by {author}": "pedido em {time} por {author}",
    "reason: {reason}": "motivo: {reason}",
    "documents {documents}, former versions {versions}, objects {objects} ({size}), runs {runs}, "
    "deliveries {deliveries}, accesses {accesses}, workflows {workflows}": (
        "documentos {documents}, versões anteriores {versions}, objetos {objects} ({size}), execuções {runs}, "
        "entregas {deliveries}, acessos {accesses}, workflows {workflows}"
    ),
    "allowed again {time} by {author}": "liberado em {time} por {author}",
    "not blocked: it may be requested again": "sem bloqueio: pode ser pedido de novo",
    "{number}: no legal hold": "{number}: sem guarda legal",
    "{number}: legal hold since {time}, by {author}": "{number}: sob guarda legal desde {time}, por {author}",
}

"""Problems of the API in Portuguese."""

from __future__ import annotations

# What the API refuses most often, by the problem's code. Everything else is shown in its own English words.
PORTUGUESE_PROBLEMS = {
    "unauthorized": "A API não aceita a chave. Confira a variável AUTOS_API_KEY.",
    "forbidden": "A chave não permite isto. Peça outra a quem administra o serviço.",
    "rate_limited": "Pedidos demais. Espere um pouco e tente de novo.",
    "process_erased": "Este processo foi apagado. Quem administra o serviço pode liberá-lo.",
    "nothing_to_bundle": "Nenhum documento pedido está guardado. Baixe o processo primeiro.",
    "process_held": "Este processo está sob guarda legal e não é apagado.",
    "erasure_running": "Este processo está sendo apagado. Espere o fim.",
    "erasure_unknown": "Este processo nunca foi apagado.",
    "process_unknown": "Este processo ainda não foi pedido ao serviço.",
    "no_open_run": "Nenhum download deste processo está em andamento.",
    "run_finishing": "O download deste processo já está terminando.",
    "nothing_to_retry": "Não há falhas para tentar de novo neste processo.",
    "temporal_unavailable": "Uma parte do serviço não responde. Nada se perdeu; tente de novo em breve.",
    "database_unavailable": "Uma parte do serviço não responde. Nada se perdeu; tente de novo em breve.",
    "storage_unavailable": "Uma parte do serviço não responde. Nada se perdeu; tente de novo em breve.",
    "no_answer": "A API não responde. Confira o endereço (--url ou AUTOS_PUBLIC_URL), ou tente mais tarde.",
}

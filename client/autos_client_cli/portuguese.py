"""The Portuguese texts of the commands, by their English ones. ``texts`` chooses between the two."""

from __future__ import annotations

from autos_client_cli.portuguese_bundle import BUNDLE_TEXTS
from autos_client_cli.portuguese_cases import CASE_TEXTS
from autos_client_cli.portuguese_erasure import ERASURE_TEXTS
from autos_client_cli.portuguese_watch import WATCH_TEXTS

PORTUGUESE = {
    **BUNDLE_TEXTS,
    **CASE_TEXTS,
    **ERASURE_TEXTS,
    **WATCH_TEXTS,
    # The program.
    "Download every document of a Brazilian court process from an Autos service.": (
        "Baixa todos os documentos de um processo judicial de um serviço Autos."
    ),
    "Where the API is. Default: AUTOS_PUBLIC_URL, or {url}. Its key: AUTOS_API_KEY.": (
        "Endereço da API. Padrão: AUTOS_PUBLIC_URL, ou {url}. A chave: AUTOS_API_KEY."
    ),
    "Print the version.": "Mostra a versão.",
    "autos-client: the commands need an extra. In the folder of Autos: pip install './client[cli]'": (
        "autos-client: os comandos precisam de um extra. Na pasta do Autos: pip install './client[cli]'"
    ),
    "Exit codes: 0 ok · 1 a defect · 2 usage or configuration · 3 not found · 5 a part does not answer now · 6 "
    "some documents are not there · 7 cannot be done · 130 interrupted.": (
        "Códigos de saída: 0 ok · 1 defeito · 2 uso ou configuração · 3 não encontrado · 5 uma parte não responde "
        "agora · 6 faltam documentos · 7 não pode ser feito · 130 interrompido."
    ),
    "Environment: AUTOS_PUBLIC_URL, the address of the API; AUTOS_API_KEY, its key; AUTOS_LANG, en or pt "
    "(otherwise the locale's language); NO_COLOR.": (
        "Variáveis de ambiente: AUTOS_PUBLIC_URL, o endereço da API; AUTOS_API_KEY, a chave; AUTOS_LANG, en ou pt "
        "(sem ela, o idioma do sistema); NO_COLOR."
    ),
    "Usage:": "Uso:",
    "[OPTIONS]": "[OPÇÕES]",
    "COMMAND [ARGS]": "COMANDO [ARGUMENTOS]",
    "[required]": "[obrigatório]",
    "Arguments": "Argumentos",
    "Options": "Opções",
    "Commands": "Comandos",
    "Examples:": "Exemplos:",
    "Processes": "Processos",
    "Runs": "Execuções",
    "For operators": "Para operadores",
    "Show this message and exit.": "Mostra esta mensagem.",
    "Install completion for the current shell.": "Instala o autocompletar para o shell atual.",
    "Show completion for the current shell, to copy it or customize the installation.": (
        "Mostra o autocompletar para o shell atual, para copiar ou adaptar a instalação."
    ),
    # What stands for a value on the command line.
    "NUMBER": "NÚMERO",
    "DIR": "PASTA",
    "FILE": "ARQUIVO",
    "TIME": "TEMPO",
    "SECONDS": "SEGUNDOS",
    # Headings of tables.
    "PROCESS": "PROCESSO",
    "COURT": "TRIBUNAL",
    "STATUS": "ESTADO",
    "DOCUMENT": "DOCUMENTO",
    "DOCUMENTS": "DOCUMENTOS",
    "SIZE": "TAMANHO",
    "REQUESTED": "PEDIDO EM",
    "DECISION": "DECISÃO",
    "PROBLEM": "PROBLEMA",
    "CODE": "CÓDIGO",
    "FAILED": "FALHOU EM",
    "AGAIN?": "REPETE?",
    "EVENT": "EVENTO",
    "TRIES": "TENTATIVAS",
    "LAST ANSWER": "ÚLTIMA RESPOSTA",
    "CREATED": "CRIADO EM",
    "FAILING SINCE": "FALHA DESDE",
    "SWITCHED OFF": "DESLIGADO",
    "yes": "sim",
    "no": "não",
    # Statuses and phases.
    "under way": "em andamento",
    "completed": "completo",
    "queued": "na fila",
    "invalid": "inválido",
    "repeated": "repetidos",
    "complete already": "já estava completo",
    "settled already": "nada mais a fazer",
    "under way already": "já estava em andamento",
    "started": "iniciado",
    "partial": "parcial",
    "failed": "falhou",
    "cancelled": "cancelado",
    "erased": "apagado",
    "empty": "vazio",
    "pending": "pendente",
    "listing": "listando",
    "downloading": "baixando",
    "paused": "pausado",
    "waiting for the court": "esperando o tribunal",
    "waiting for the store": "esperando o armazém",
    "finishing": "concluindo",
    "starting": "começando",
    "saving": "salvando",
    # Process numbers and other input.
    "A process number has 20 digits, as in 1011745-77.2025.8.11.0041 or 10117457720258110041; this text has "
    "{digits} digits, or letters between them. Give one number at a time.": (
        "Um número de processo tem 20 dígitos, como 1011745-77.2025.8.11.0041 ou 10117457720258110041; este texto "
        "tem {digits} dígitos, ou letras entre eles. Informe um número de cada vez."
    ),
    "The check digits of {given} are wrong: for this number they would be {expected} ({right}). Compare the number "
    "with the court's papers.": (
        "Os dígitos verificadores de {given} estão errados: para este número seriam {expected} ({right}). "
        "Confira o número nos documentos do tribunal."
    ),
    "Name at least one process number.": "Informe ao menos um número de processo.",
    "Nothing was done.": "Nada foi feito.",
    "Cannot read {file}: {reason}.": "Não foi possível ler {file}: {reason}.",
    "{option}: a time is a number of seconds, or written as in 90s, 10m or 1h30m.": (
        "{option}: um tempo é um número de segundos, ou escrito como 90s, 10m ou 1h30m."
    ),
    "A time is written as in 2026-01-31T12:00 or 2026-01-31T12:00:00Z.": (
        "Uma data se escreve como 2026-01-31T12:00 ou 2026-01-31T12:00:00Z."
    ),
    "an unknown time": "data desconhecida",
    "Print one JSON object a line.": "Mostra um objeto JSON por linha.",
    "Print the API's answer as JSON.": "Mostra a resposta da API em JSON.",
    # get
    "Download processes, and save their documents as DIR/NUMBER/NNN - name.ext.\n\nThe service begins with all "
    "of them at once, and documents are saved as they become available. Files are verified by SHA-256; files "
    "that are already there are not downloaded again, so the same command goes on where it was "
    "interrupted.\n\nExit codes: 0 every document is there, 6 some are not, 3 the court does not know a "
    "process, 7 it refuses one, 5 the API does not answer, 130 interrupted. Of several processes, the worst "
    "counts.": (
        "Baixa processos e salva os documentos como PASTA/NÚMERO/NNN - nome.ext.\n\nO serviço começa todos de "
        "uma vez, e os documentos são salvos assim que ficam disponíveis. Os arquivos são verificados por "
        "SHA-256; os que já existem não são baixados de novo, portanto o mesmo comando continua de onde "
        "parou.\n\nCódigos de saída: 0 todos os documentos estão lá, 6 faltam alguns, 3 o tribunal não conhece "
        "um processo, 7 o tribunal recusa um, 5 a API não responde, 130 interrompido. Com vários processos, "
        "vale o pior."
    ),
    "Process numbers; - reads them from standard input, one a line.": (
        "Números de processo; - lê da entrada padrão, um por linha."
    ),
    "Where a folder for each process is made. Default: here.": (
        "Onde se cria uma pasta para cada processo. Padrão: aqui."
    ),
    "Further numbers, one a line; # begins a comment.": "Mais números, um por linha; # começa um comentário.",
    "How many processes are saved at a time. Default: 4. The service works on all at once anyway.": (
        "Quantos processos são salvos ao mesmo tempo. Padrão: 4. O serviço trabalha em todos de qualquer forma."
    ),
    "How long to try again if the API does not answer or asks to wait, as in 90s or 1h30m; 0 is not at all. "
    "Default: 10m.": (
        "Por quanto tempo tentar de novo se a API não responder ou pedir para esperar, como 90s ou 1h30m; 0 é não "
        "tentar. Padrão: 10m."
    ),
    "Start what is missing, and save only what is available now.": (
        "Inicia o que falta, e salva só o que está disponível agora."
    ),
    "Replace files that have a document's name but other content.": (
        "Substitui arquivos com o nome de um documento, mas outro conteúdo."
    ),
    "Print one JSON object for each process, when it is finished.": (
        "Mostra um objeto JSON para cada processo, quando termina."
    ),
    "Print only what went wrong.": "Mostra só o que deu errado.",
    "This key may not start downloads. What the service has is saved.": (
        "Esta chave não permite iniciar downloads. É salvo o que o serviço já tem."
    ),
    "Cannot save in {folder}: {reason}.": "Não foi possível salvar em {folder}: {reason}.",
    "{number}: {status}, {present} of {total} documents in {folder} ({new} new).": (
        "{number}: {status}, {present} de {total} documentos em {folder} (novos: {new})."
    ),
    "{number}: the court lists no documents.": "{number}: o tribunal não lista documentos.",
    "{count} document is still to come.": "{count} documento ainda está por vir.",
    "The key is read from AUTOS_API_KEY.": "A chave é lida de AUTOS_API_KEY.",
    "{count} documents are still to come.": "{count} documentos ainda estão por vir.",
    "{count} document is missing, and no run is open. The same command starts one.": (
        "{count} documento falta, e nenhuma execução está aberta. O mesmo comando inicia uma."
    ),
    "{count} documents are missing, and no run is open. The same command starts one.": (
        "{count} documentos faltam, e nenhuma execução está aberta. O mesmo comando inicia uma."
    ),
    "{count} document": "{count} documento",
    "{count} documents": "{count} documentos",
    "{finished} of {all} processes": "{finished} de {all} processos",
    "{count} more under way": "mais {count} em andamento",
    "{time} left": "faltam {time}",
    "The API at {url} does not answer ({reason}). Trying again for {time}.": (
        "A API em {url} não responde ({reason}). Tentando de novo por {time}."
    ),
    "The API at {url} asks to wait ({reason}). Trying again in {time}.": (
        "A API em {url} pede para esperar ({reason}). Tentando de novo em {time}."
    ),
    "The API at {url} answers again.": "A API em {url} responde de novo.",
    "The store does not answer ({reason}). Trying again for {time}.": (
        "O armazém não responde ({reason}). Tentando de novo por {time}."
    ),
    "The store answers again.": "O armazém responde de novo.",
    "Interrupted.": "Interrompido.",
    "Finished: {finished} of {all} processes.": "Terminados: {finished} de {all} processos.",
    "The service goes on downloading {count} process; nothing is lost.": (
        "O serviço continua baixando {count} processo; nada se perde."
    ),
    "The service goes on downloading {count} processes; nothing is lost.": (
        "O serviço continua baixando {count} processos; nada se perde."
    ),
    "The service keeps {count} request, and works on it as soon as a worker is back.": (
        "O serviço guarda {count} pedido, e trabalha nele assim que um worker voltar."
    ),
    "The service keeps {count} requests, and works on them as soon as a worker is back.": (
        "O serviço guarda {count} pedidos, e trabalha neles assim que um worker voltar."
    ),
    "{count} process was not started.": "{count} processo não foi iniciado.",
    "{count} were not started.": "{count} não foram iniciados.",
    "Run the same command again to get the rest:": "Rode o mesmo comando de novo para obter o resto:",
    # batch
    "Have the service download many processes, and save nothing here.\n\nFILE has one number a line; # begins a "
    "comment, and - is standard input. More than 1,000 numbers are several batches. Ends with 6 if a line is not a "
    "process number or, with --wait, if a process is not complete.": (
        "Faz o serviço baixar muitos processos, sem salvar nada aqui.\n\nARQUIVO tem um número por linha; # "
        "começa um comentário, e - é a entrada padrão. Mais de 1.000 números formam vários lotes. Termina com "
        "6 se uma linha não é um número de processo ou, com --wait, se um processo não está completo."
    ),
    "The numbers, one a line; - is standard input.": "Os números, um por linha; - é a entrada padrão.",
    "Wait until every process has ended.": "Espera até que todos os processos tenham terminado.",
    "Called for each process when its run ends.": "Chamado para cada processo quando sua execução termina.",
    "From 1, which is served first, to 5. Single requests have 3.": (
        "De 1, atendido primeiro, a 5. Pedidos avulsos têm 3."
    ),
    "How old the court's listing may be; 0 asks the court again.": (
        "Idade máxima da lista do tribunal; 0 pergunta ao tribunal de novo."
    ),
    "Print one JSON object for each line.": "Mostra um objeto JSON para cada linha.",
    "Batch {id}: {count} lines.": "Lote {id}: {count} linhas.",
    "Batch {id}": "Lote {id}",
    "The service keeps what it has accepted, and works on it as soon as a worker is back. `{program} list` shows "
    "it, and `{program} get -i FILE` saves the documents.": (
        "O serviço guarda o que aceitou, e trabalha nisso assim que um worker voltar. `{program} list` mostra os "
        "processos, e `{program} get -i ARQUIVO` salva os documentos."
    ),
    "The service goes on with what it has accepted; nothing is lost. `{program} list` shows it, and `{program} "
    "get -i FILE` saves the documents.": (
        "O serviço continua com o que aceitou; nada se perde. `{program} list` mostra os processos, e "
        "`{program} get -i ARQUIVO` salva os documentos."
    ),
    # list
    "List the processes that the service knows, the newest first.": (
        "Lista os processos que o serviço conhece, os mais novos primeiro."
    ),
    "Only processes that are processing, completed, partial, failed, empty or pending.": (
        "Só processos neste estado: processing (em andamento), completed (completo), partial (parcial), failed "
        "(falhou), empty (vazio) ou pending (pendente)."
    ),
    "Only processes of a court, such as TJMT.": "Só processos de um tribunal, como TJMT.",
    "At most so many; 0 is all. Default: 50.": "Quantos mostrar no máximo; 0 mostra todos. Padrão: 50.",
    "Print the numbers only.": "Mostra só os números.",
    "There are no such processes.": "Não há processos assim.",
    "There are more: --limit 0 shows all.": "Há mais: --limit 0 mostra todos.",
    # status, retry, pause, resume, cancel, failures
    "The process number.": "O número do processo.",
    "Show the status of a process.": "Mostra o estado de um processo.",
    "Wait for the end of the run, at most this long.": "Espera o fim da execução, no máximo este tempo.",
    "Retry what failed: in the open run, or in a new one.": (
        "Tenta de novo o que falhou: na execução aberta, ou em uma nova."
    ),
    "Pause the open run: it starts no further document. Pausing again changes nothing.": (
        "Pausa a execução aberta: ela não começa outro documento. Pausar de novo não muda nada."
    ),
    "Resume a paused run.": "Retoma uma execução pausada.",
    "Cancel the open run. What is stored stays.": "Cancela a execução aberta. O que está armazenado fica.",
    "List what failed, in all processes, the newest first.": (
        "Lista o que falhou, em todos os processos, do mais novo ao mais antigo."
    ),
    "Only failures with this code.": "Só falhas com este código.",
    "Nothing has failed.": "Nada falhou.",
    "(the process)": "(o processo)",
    "{available} of {total} documents available ({percentage} %, {size}), {pending} pending, {failed} failed": (
        "{available} de {total} documentos disponíveis ({percentage} %, {size}), {pending} pendentes, "
        "{failed} com falha"
    ),
    "{count} failed with {code}": "{count} com falha {code}",
    "the process itself: {code}: {answer}": "o próprio processo: {code}: {answer}",
    "run {id}, started {started}, ended {ended}, {outcome}": (
        "execução {id}, iniciada em {started}, terminada em {ended}, {outcome}"
    ),
    "run {id}, started {started}, open": "execução {id}, iniciada em {started}, aberta",
    "{count} document is tried again": "{count} documento é tentado de novo",
    "{count} documents are tried again": "{count} documentos são tentados de novo",
    # accesses
    "List who was handed which documents, the newest first. Needs a key with the scope admin.": (
        "Lista quem recebeu quais documentos, os mais novos primeiro. Precisa de uma chave com o escopo admin."
    ),
    "Only accesses to documents of a process.": "Só os acessos a documentos de um processo.",
    "Only accesses to this document of the process; needs --process.": "Só os acessos a este documento do "
    "processo; requer --process.",
    "A document is looked for in a process: give --process too.": "Um documento é procurado em um processo: "
    "informe também --process.",
    "Only accesses of a client.": "Só os acessos de um cliente.",
    "At most so many; 0 is all. Default: 50, or all as CSV.": (
        "No máximo tantos; 0 são todos. Padrão: 50, ou todos em CSV."
    ),
    "Print CSV, one line for each document.": "Mostra CSV, uma linha para cada documento.",
    "There are no such accesses.": "Não há acessos assim.",
    "NAME": "NOME",
    "WHEN": "QUANDO",
    "CLIENT": "CLIENTE",
    "KEY": "CHAVE",
    "HOW": "COMO",
    "PURPOSE": "FINALIDADE",
    # deliveries
    "Webhook deliveries: list them, the newest first; redeliver; test or enable an endpoint.": (
        "Entregas de webhooks: lista, as mais novas primeiro; reenvia; testa ou religa um endereço."
    ),
    "Only pending, delivered or failed ones.": "Só as que estão pending, delivered ou failed.",
    "Only those of a process.": "Só as de um processo.",
    "There are no such deliveries.": "Não há entregas assim.",
    "Send an event again, under its own id; or all that failed, up to a hundred at a time.": (
        "Reenvia um evento, com o mesmo id; ou todos os que falharam, até cem por vez."
    ),
    "The delivery's id.": "O id da entrega.",
    "Instead: all that failed for good since, as in 2026-01-31T12:00.": (
        "Em vez disso: todas as que falharam de vez desde então, como 2026-01-31T12:00."
    ),
    "Name a delivery, or give --failed-since.": "Informe uma entrega, ou use --failed-since.",
    "{count} are sent once more.": "{count} são enviados mais uma vez.",
    "There are more: run the command again.": "Há mais: rode o comando de novo.",
    "{event} is sent to {url} once more.": "{event} é enviado a {url} mais uma vez.",
    "Send a signed webhook.test event to a URL. Its result appears in the list of deliveries.": (
        "Envia um evento webhook.test assinado a um endereço. O resultado aparece na lista de entregas."
    ),
    "The endpoint's URL.": "O endereço.",
    "The endpoint's id.": "O id do endereço.",
    "{event} is sent to {url}.": "{event} é enviado a {url}.",
    "List failing endpoints, and those that are disabled because of it.": (
        "Lista os endereços que falham, e os desligados por isso."
    ),
    "No endpoint is failing.": "Nenhum endereço falha.",
    "Enable an endpoint that was disabled.": "Religa um endereço desligado.",
    "Events go to {url} again.": "Os eventos vão de novo para {url}.",
    # court
    "The court: does it answer, and when does the token expire; bring a new token.": (
        "O tribunal: se responde, e quando o token expira; traz um novo token."
    ),
    "Bring a token to the running service: typed unseen, or from standard input.\n\nEither the access token, "
    "or the whole JSON answer of the court's sign-in (from the browser's network tab, the request to /token): "
    "then the refresh token comes along, and the service renews the token by itself.": (
        "Leva um token ao serviço: digitado sem aparecer, ou da entrada padrão.\n\nO token de acesso, ou a "
        "resposta JSON inteira do login no tribunal (da aba de rede do navegador, o pedido a /token): então o "
        "refresh token vem junto, e o serviço renova o token sozinho."
    ),
    "Token, or the sign-in's JSON answer": "Token, ou a resposta JSON do login",
    "The token is not a token: nothing was given.": "O token não é um token: nada foi informado.",
    "This is neither a token nor JSON: copy the sign-in's answer whole.": (
        "Isto não é um token nem JSON: copie a resposta do login inteira."
    ),
    "This JSON holds neither access_token nor refresh_token.": "Este JSON não tem access_token nem refresh_token.",
    "Show whether the court answers, since when, why not, and when the token expires. No token is shown.": (
        "Mostra se o tribunal responde, desde quando, por que não, e quando o token expira. Nenhum token é "
        "mostrado."
    ),
    "The court has not answered since {since}: {code}.": "O tribunal não responde desde {since}: {code}.",
    "It said: {answer}": "Ele disse: {answer}",
    "{count} probe failed": "{count} sondagem falhou",
    "{count} probes failed": "{count} sondagens falharam",
    "{failed}; the next one is at {time}.": "{failed}; a próxima é em {time}.",
    "The court answers, as far as is known.": "O tribunal responde, até onde se sabe.",
    "The new token is tried when the court answers; the former one stays until then.": (
        "O novo token é testado quando o tribunal responder; o anterior fica até lá."
    ),
    "The court has refused the newest token; the former one stays.": (
        "O tribunal recusou o token mais novo; o anterior fica."
    ),
    "There is no token. Bring one with `{program} court login`.": (
        "Não há token. Traga um com `{program} court login`."
    ),
    "The token ({source}) {expiry} and {renewal}.": "O token ({source}) {expiry} e {renewal}.",
    "ends at {time}": "termina em {time}",
    "does not say when it ends": "não diz quando termina",
    "is renewed by itself": "é renovado sozinho",
    "is not renewed: bring a new one before that": "não é renovado: traga um novo antes disso",
    "The court has refused it. Bring a new one with `{program} court login`.": (
        "O tribunal o recusou. Traga um novo com `{program} court login`."
    ),
}

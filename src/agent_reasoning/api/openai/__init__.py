"""What clients of OpenAI's API find here: /v1/models, /v1/chat/completions and /v1/responses, in its shapes."""

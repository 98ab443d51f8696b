// Where chat endpoints have their manner from, and where they are found if nobody names another.

extension Chat {
  static let service = Upstream.Service(
    host: "api.openai.com", path: "/v1/chat/completions", keyVariable: "OPENAI_API_KEY",
    urlVariable: "")
}

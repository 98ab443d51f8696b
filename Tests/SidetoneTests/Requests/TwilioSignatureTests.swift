// Twilio's signatures: known good ones are accepted, and every way of tampering is refused. The
// public vector is the one of Twilio's own documentation; the others were made with its formula.
import Testing

@testable import Sidetone

private let token = "0123456789abcdef0123456789abcdef"
private let form =
  "CallSid=CA0123456789abcdef0123456789abcdef&CallStatus=ringing&From=%2B15550100001"
  + "&To=%2B15550100002"
private let formSignature = "PaRIC7fZ0jP1t7vEJu8sUpOzFWM="

struct TwilioSignatureTests {
  private func decide(
    _ start: String, _ signature: String, body: String = "", socket isSocket: Bool = false,
    type: String = "application/x-www-form-urlencoded", url: String = "https://relay.example.com",
    tokens: [String] = [token]
  ) throws -> Result<Identity, Refusal> {
    var config = plainConfig()
    config.publicURL = url
    config.twilioTokens = tokens
    for path in ["/json", "/myapp.php"] {
      var route = Config.Route()
      route.path = path
      route.kind = .voice
      config.routes.append(route)
    }
    // The Host header names somebody else on purpose: it has no say.
    var lines = isSocket ? socket(host: "10.0.0.1") : ["Host: 10.0.0.1"]
    lines.append("x-twilio-signature: " + signature)
    if start.hasPrefix("POST") { lines.append("Content-Type: " + type) }
    let request = try request(start, lines, body: body, from: .elsewhere)
    return Admission(config: config, seed: 7).decide(request)
  }

  private let good = Result<Identity, Refusal>.success(.signature)
  private let bad = Result<Identity, Refusal>.failure(.wrongSignature(carrier: row("twilio")))

  @Test func `a posted form is accepted, whatever the order of its parameters`() throws {
    let start = "POST /voice?tenant=a%20b"
    #expect(try decide(start, formSignature, body: form) == good)
    let turned = form.split(separator: "&").reversed().joined(separator: "&")
    #expect(try decide(start, formSignature, body: turned) == good)
    #expect(
      try decide(
        start, formSignature, body: form,
        type: "Application/X-WWW-Form-Urlencoded; charset=UTF-8") == good)
    #expect(try decide(start, formSignature, body: form + "&To=%2b15550100002") == good)
  }

  @Test func `a form that was tampered with is refused`() throws {
    let start = "POST /voice?tenant=a%20b"
    #expect(try decide("POST /voice?tenant=a+b", formSignature, body: form) == bad)
    #expect(try decide("POST /voice", formSignature, body: form) == bad)
    #expect(try decide("GET /voice?tenant=a%20b", formSignature) == bad)
    for body in [
      "", form + "&X=", form.replacing("ringing", with: "busy"),
      form.replacing("From", with: "from"), form.replacing("ringing", with: "ringing+"),
      form.replacing("&To", with: "&To=1&To"), form.replacing("To=%2B", with: "To="),
    ] {
      #expect(try decide(start, formSignature, body: body) == bad, "\(body)")
    }
    #expect(try decide(start, formSignature, body: form, tokens: ["x" + token]) == bad)
    #expect(
      try decide(start, formSignature, body: form, url: "https://relay.example.org") == bad)
    for signature in [
      "", "PaRIC7fZ0jP1t7vEJu8sUpOzFWN=", "paRIC7fZ0jP1t7vEJu8sUpOzFWM=",
      "PaRIC7fZ0jP1t7vEJu8sUpOzFWM", "PaRIC7fZ0jP1t7vEJu8sUpOzFWM==",
    ] {
      #expect(try decide(start, signature, body: form) == bad, "\(signature)")
    }
  }

  @Test func `a second token is good while the first is being replaced`() throws {
    let start = "POST /voice?tenant=a%20b"
    for tokens in [["new", token], [token, "new"]] {
      #expect(try decide(start, formSignature, body: form, tokens: tokens) == good)
    }
  }

  @Test func `the documented example is accepted`() throws {
    let body =
      "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309"
      + "&CallSid=CA1234567890ABCDE"
    #expect(
      try decide(
        "POST /myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", body: body,
        url: "https://mycompany.com", tokens: ["12345"]) == good)
  }

  @Test(arguments: [
    "tcx621bphN0w2w3u6cwESISILwQ=",  // wss://relay.example.com/media-stream
    "xkpe6oMP4IcOPksz2kT7SYI77f0=",  // … with a slash at the end
    "70XGWi+jGORQWtoQK7Al9Q2wZCw=",  // … with :443
    "tkD0w+Y2eb7m0tGyEbr07YejiVM=",  // … with https
  ])
  func `a socket is accepted in the spellings that are on the way`(signature: String) throws {
    for start in ["GET /media-stream", "GET /media-stream/"] {
      for url in ["https://relay.example.com", "https://relay.example.com:443"] {
        #expect(try decide(start, signature, socket: true, url: url) == good)
      }
    }
    #expect(try decide("GET /media", signature, socket: true) == bad)
    #expect(try decide("GET /media-stream?a=b", signature, socket: true) == bad)
    #expect(
      try decide("GET /media-stream", signature, socket: true, url: "https://other.example.com")
        == bad)
    #expect(try decide("GET /media-stream", signature, socket: true, tokens: ["no"]) == bad)
  }

  @Test func `a body that is no form is bound by its hash in the URL`() throws {
    let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    let start = "POST /json?bodySHA256=" + hash
    let signature = "4EsrGytQGtfHinmkBKBUJNmY8VQ="
    let type = "application/json"
    #expect(try decide(start, signature, body: "{\"a\":1}", type: type) == good)
    #expect(try decide(start, signature, body: "{\"a\":2}", type: type) == bad)
    #expect(try decide("POST /json", signature, body: "{\"a\":1}", type: type) == bad)
  }

  @Test func `a form with more parameters than any webhook has is refused`() throws {
    let body = (0..<129).map { "a\($0)=b" }.joined(separator: "&")
    #expect(try decide("POST /voice", formSignature, body: body) == bad)
  }

  @Test func `without a signature the route says that it wants one`() throws {
    var config = plainConfig()
    config.publicURL = "https://relay.example.com"
    config.twilioTokens = [token]
    let admission = Admission(config: config, seed: 7)
    let bare = try request("GET /media", socket())
    #expect(admission.decide(bare) == .failure(.noProof(.signature(of: "twilio"))))
    config.allow(key: "sk-1")
    let both = Admission(config: config, seed: 7)
    #expect(both.decide(bare) == .failure(.noProof([.keys, .signature(of: "twilio")])))
    let key = try request("GET /media", socket(["Authorization: Bearer sk-1"]))
    #expect(both.decide(key) == .success(.key(0)))
    let wrong = try request("GET /media", socket(["X-Twilio-Signature: x"]))
    #expect(both.decide(wrong) == .failure(.wrongSignature(carrier: row("twilio"))))
    // A route that Twilio does not call has no use for its signature.
    let raw = try request("GET /ws/transcribe", socket(["X-Twilio-Signature: x"]))
    #expect(both.decide(raw) == .failure(.noProof(.keys)))
  }
}

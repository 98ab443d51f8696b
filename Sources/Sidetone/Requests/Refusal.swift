// Every reason for which a request is not served, with the status to answer, a word for programs,
// and a sentence for people that says how to mend it. Where names of carriers, upstreams or paths
// belong into a sentence, its end lies in `Sentences`.

package enum Refusal: Error, Equatable, Sendable {
  case malformed(HTTP.Fault)
  case noSocket(Upgrade.Fault)
  case unknownPath
  /// It is served, but not on this listener.
  case elsewhere
  /// Its target names another server.
  case misdirected
  case wrongMethod(Methods)
  /// In the URL of a socket or a page, or of a webhook, whose caller can send no header.
  case keyInURL, keyInWebhookURL

  /// Nothing was shown that proves who calls; what would be accepted.
  case noProof(Means)
  case wrongScheme, wrongKey, foreignAddress
  /// Only a LiteLLM proxy knows whether the key is good, and has to be asked: told to nobody.
  case keyUnchecked
  /// It did not say.
  case keyUnjudged
  /// It said no, in the words of this row of KeyChecks.
  case keyRefused(OfKey, Int)
  /// The same on a page that operators' keys open.
  case noOperatorKey, wrongOperatorKey
  /// Index into Carrier.all.
  case wrongSignature(carrier: Int)
  /// It is good for the address that the request names, with that scheme, which is none of those
  /// that are set.
  case misaddressedSignature(carrier: Int, isSecure: Bool)
  case staleSignature(carrier: Int)

  /// The path is open to this machine only, and the request did not come straight from it.
  case foreignPeer, foreignHost, forwarded, foreignOrigin
  case unprotected, noPublicURL

  case tooOften(seconds: Int)
  /// The index in `Config.upstreams` of an upstream whose secret is missing.
  case noUpstreamKey(Int)

  /// What a caller asked its call to be like cannot be had. The index in `Config.routes` is that of
  /// the call route.
  case unknownBot(Int)
  case unservedBot(Int)
  case strangeChoice, longChoice, foreignChoice
  case draining, full, timedOut
  /// As many programs hear of calls as may.
  case tooManySubscribers
  /// Not a byte came; it gave way to a newcomer, having shown nothing.
  case silent
  case crowded(Guests.Crowd)

  /// What a LiteLLM proxy has against a key.
  package enum OfKey: Equatable, BitwiseCopyable, Sendable {
    case wrong, expired, blocked, forbidden, overBudget
  }

  package enum Methods: Equatable, Sendable { case page, events, webhook, socket }

  package var status: HTTP.Status {
    switch self {
    case .malformed(let fault): fault.status
    case .noSocket(let fault): fault.status
    case .unknownPath, .elsewhere: .notFound
    case .misdirected: .misdirected
    case .wrongMethod: .methodNotAllowed
    case .keyInURL, .keyInWebhookURL, .wrongScheme, .wrongKey, .noOperatorKey, .wrongOperatorKey:
      .unauthorized
    case .keyRefused(.wrong, _), .keyRefused(.expired, _): .unauthorized
    case .keyRefused(.blocked, _), .keyRefused(.forbidden, _): .forbidden
    case .keyRefused(.overBudget, _): .tooManyRequests
    case .keyUnchecked, .keyUnjudged: .unavailable
    case .noProof(let means): means.contains(.keys) ? .unauthorized : .forbidden
    case .unknownBot, .unservedBot, .strangeChoice, .longChoice: .badRequest
    case .wrongSignature, .misaddressedSignature, .staleSignature, .foreignAddress, .foreignPeer,
      .foreignHost, .forwarded,
      .foreignOrigin, .unprotected, .foreignChoice:
      .forbidden
    case .tooOften: .tooManyRequests
    case .noPublicURL, .noUpstreamKey, .draining, .full, .tooManySubscribers, .crowded:
      .unavailable
    case .timedOut, .silent: .timeout
    }
  }

  package var code: StaticString {
    switch self {
    case .malformed(let fault): fault.status.code
    case .noSocket(let fault): fault.status.code
    case .unknownPath, .elsewhere: "unknown_path"
    case .misdirected: "misdirected"
    case .wrongMethod: "wrong_method"
    case .keyInURL, .keyInWebhookURL: "key_in_url"
    case .noProof, .noOperatorKey: "no_proof"
    case .wrongScheme: "wrong_scheme"
    case .wrongKey, .wrongOperatorKey, .keyRefused(.wrong, _): "wrong_key"
    case .keyRefused(.expired, _): "expired_key"
    case .keyRefused(.blocked, _): "blocked_key"
    case .keyRefused(.forbidden, _): "forbidden_key"
    case .keyRefused(.overBudget, _): "budget_exceeded"
    case .keyUnchecked, .keyUnjudged: "key_unjudged"
    case .wrongSignature, .misaddressedSignature: "wrong_signature"
    case .staleSignature: "stale_signature"
    case .foreignAddress: "foreign_address"
    case .foreignPeer: "foreign_peer"
    case .foreignHost: "foreign_host"
    case .forwarded: "forwarded"
    case .foreignOrigin: "foreign_origin"
    case .unprotected: "unprotected"
    case .noPublicURL: "no_public_url"
    case .tooOften: "too_often"
    case .noUpstreamKey: "no_upstream_key"
    case .unknownBot: "unknown_bot"
    case .unservedBot: "unserved_bot"
    case .strangeChoice: "bad_choice"
    case .longChoice: "choice_too_long"
    case .foreignChoice: "choice_not_allowed"
    case .draining: "draining"
    case .full, .tooManySubscribers: "full"
    case .timedOut, .silent: "timed_out"
    case .crowded: "crowded"
    }
  }

  /// What is wrong and how to mend it; some are continued with names.
  package var sentence: StaticString {
    switch self {
    case .malformed(let fault): fault.sentence
    case .noSocket(let fault): fault.sentence
    case .unknownPath: "Nothing is served under this path. Known are: "
    case .elsewhere:
      """
      This path is served on another listener: calls and webhooks on listen.address, /stats, \
      /metrics and /events on listen.operators (SIDETONE_LISTEN_OPERATORS), /health and /ready on both.
      """
    case .misdirected:
      """
      The target names another server, and this is no proxy. Send the path alone, and as Host the \
      name under which this relay is known (listen.public_url, SIDETONE_LISTEN_PUBLIC_URL).
      """
    case .wrongMethod(.page), .wrongMethod(.events): "This path is asked with GET."
    case .wrongMethod(.webhook): "This webhook is called with POST or GET."
    case .wrongMethod(.socket): "A WebSocket is opened with GET."
    case .keyInURL:
      """
      A key was sent in the URL, where proxies and logs see it. Send it as a header instead, \
      Authorization: Bearer KEY, from a web page as a subprotocol, new WebSocket(url, ['token', \
      KEY]), and replace it if the URL has been used elsewhere.
      """
    case .keyInWebhookURL:
      """
      A key was sent in a webhook's URL, where the carrier, proxies and logs see it. Delete it \
      from the URL and replace it, since others may have seen it. An upstream's key belongs into \
      the environment here\u{20}
      """
    case .noProof(let means): Self.proof(means)
    case .wrongScheme:
      """
      A key is brought once, as Authorization: Bearer KEY, or Token KEY. X-API-Key: KEY will do as \
      well.
      """
    case .wrongKey: "This key is none of those in SIDETONE_API_KEYS (auth.api_keys)."
    case .keyRefused(.wrong, _): "LiteLLM (auth.litellm_url) does not take this key."
    case .keyRefused(.expired, _): "LiteLLM (auth.litellm_url) says that this key has expired."
    case .keyRefused(.blocked, _): "LiteLLM (auth.litellm_url) says that this key is blocked."
    case .keyRefused(.forbidden, _):
      """
      LiteLLM (auth.litellm_url) knows this key, but does not let it ask about itself: allow it \
      /key/info (allowed_routes).
      """
    case .keyRefused(.overBudget, _):
      "LiteLLM (auth.litellm_url) says that this key's budget is spent."
    case .keyUnchecked, .keyUnjudged:
      """
      Whether this key is good is LiteLLM's to say (auth.litellm_url), which gives no answer. Try \
      again after Retry-After.
      """
    case .noOperatorKey:
      """
      This page is for operators. Prove it with the header Authorization: Bearer KEY, KEY being \
      one of SIDETONE_AUTH_OPERATOR_KEYS (auth.operator_keys).
      """
    case .wrongOperatorKey:
      """
      This page is for operators, and the key is none of theirs in SIDETONE_AUTH_OPERATOR_KEYS \
      (auth.operator_keys). Keys of callers do not open it.
      """
    case .wrongSignature(let carrier): Carrier.all[carrier].signature?.wrong ?? ""
    case .misaddressedSignature:
      """
      The signature is good for the address under which this request came, but that address is \
      not in listen.public_url (SIDETONE_LISTEN_PUBLIC_URL). Put it there, beside others with a \
      comma, or have the carrier call the one that is set.
      """
    case .staleSignature(let carrier): Carrier.all[carrier].signature?.stale ?? ""
    case .foreignAddress:
      """
      This path is open to certain addresses only, and this one is not in the route's addresses. \
      Behind a proxy, name the proxy in listen.trusted_proxies (SIDETONE_LISTEN_TRUSTED_PROXIES).
      """
    case .tooOften: "Too many new calls in one second. Try again after Retry-After."
    case .noUpstreamKey: "The service behind this path has no key. Set "
    case .noPublicURL:
      """
      The answer must name this relay's address, which the request does not (its Host header is \
      missing or names no host), and none is set. Set listen.public_url (SIDETONE_LISTEN_PUBLIC_URL), for example to \
      https://relay.example.com.
      """
    case .unknownBot: "This bot_type is not served."
    case .unservedBot:
      """
      A chain of speech-to-text, text and text-to-speech (tts-llm-stt) is not served, only models \
      that hear and speak.
      """
    case .strangeChoice:
      """
      model, voice and language have at most 128 letters, digits and signs of - . _ ~ : / each.
      """
    case .longChoice:
      """
      model, voice, language and system_instruction have 2048 bytes together. Longer instructions \
      belong into the settings (instructions or instructions_file of the upstream, or \
      SIDETONE_UPSTREAMS_NAME_INSTRUCTIONS).
      """
    case .foreignChoice:
      """
      system_instruction is taken from callers only who prove who they are. Sign the request, or \
      bring a key (SIDETONE_API_KEYS, auth.api_keys), or set instructions in the settings \
      (SIDETONE_UPSTREAMS_NAME_INSTRUCTIONS).
      """
    case .draining: "The relay is shutting down and takes no new calls. Try another instance."
    case .full:
      """
      All calls that the relay can carry (limits.calls_max, SIDETONE_LIMITS_CALLS_MAX) are taken. \
      Try again later.
      """
    case .tooManySubscribers:
      """
      As many programs hear of calls as may (limits.subscribers_max, \
      SIDETONE_LIMITS_SUBSCRIBERS_MAX). Try again later.
      """
    case .timedOut:
      """
      The request did not arrive in time (limits.handshake_seconds, \
      SIDETONE_LIMITS_HANDSHAKE_SECONDS).
      """
    case .silent:
      """
      Nothing came on this connection in time (limits.first_byte_seconds, \
      SIDETONE_LIMITS_FIRST_BYTE_SECONDS).
      """
    case .crowded(.all):
      """
      There are as many connections that have not shown who they are as limits.other_links_max \
      (SIDETONE_LIMITS_OTHER_LINKS_MAX) allows; this one was the oldest, and gave way to another.
      """
    case .crowded(.address):
      """
      This address has as many connections that have not shown who they are as \
      limits.unproven_per_address_max (SIDETONE_LIMITS_UNPROVEN_PER_ADDRESS_MAX) allows; this one \
      was the oldest. A balancer is named in listen.trusted_proxies \
      (SIDETONE_LISTEN_TRUSTED_PROXIES).
      """
    case .crowded(.calls):
      """
      There are as many calls as limits.calls_max (SIDETONE_LIMITS_CALLS_MAX) allows; of those that \
      owe their call token this one was the oldest, and gave way to another.
      """
    case .foreignPeer, .foreignHost, .forwarded, .foreignOrigin, .unprotected: locked
    }
  }

  private static func proof(_ means: Means) -> StaticString {
    guard means.contains(.keys) else { return "This path wants " }
    guard means.hasSignature else {
      return """
        Prove who calls with the header Authorization: Bearer KEY, KEY being one of \
        SIDETONE_API_KEYS (auth.api_keys).
        """
    }
    return """
      Prove who calls: with the header Authorization: Bearer KEY, KEY being one of \
      SIDETONE_API_KEYS (auth.api_keys), or with\u{20}
      """
  }

  /// The sentences of what is open on this machine only.
  private var locked: StaticString {
    switch self {
    case .foreignHost:
      """
      Without keys, this path is open to this machine only, and the Host header names another: a \
      tunnel or a web page is in between.
      """
    case .forwarded:
      """
      Without keys, this path is open to this machine only, and this request was forwarded by a \
      proxy or a tunnel.
      """
    case .foreignOrigin:
      """
      Without keys, this path is not open to web pages. Put the page's origin into \
      listen.allowed_origins (SIDETONE_LISTEN_ALLOWED_ORIGINS).
      """
    case .unprotected:
      """
      This path is off, since nothing protects it and other machines can reach the relay.
      """
    default: "Without keys, this path is open to this machine only."
    }
  }

  /// What an operator can learn from it and has to mend: the log says each in full once.
  enum Lesson: UInt8 {
    case opening, page, proof, scheme, key, keyInURL, keyInWebhookURL, publicURL
    case signature, signedURL, clock, address, upstreamKey
    case bot, choice, longChoice, instructions
    case crowd, crowdedAddress, crowdedCalls
  }

  var lesson: Lesson? {
    switch self {
    case .foreignPeer, .foreignHost, .forwarded, .unprotected: .opening
    case .foreignOrigin: .page
    case .noProof, .noOperatorKey: .proof
    case .wrongScheme: .scheme
    case .wrongKey, .wrongOperatorKey: .key
    case .keyUnchecked, .keyUnjudged, .keyRefused: nil
    case .keyInURL: .keyInURL
    case .keyInWebhookURL: .keyInWebhookURL
    case .noPublicURL: .publicURL
    case .wrongSignature: .signature
    case .misaddressedSignature: .signedURL
    case .staleSignature: .clock
    case .foreignAddress: .address
    case .noUpstreamKey: .upstreamKey
    case .unknownBot, .unservedBot: .bot
    case .strangeChoice: .choice
    case .longChoice: .longChoice
    case .foreignChoice: .instructions
    case .crowded(.all): .crowd
    case .crowded(.address): .crowdedAddress
    case .crowded(.calls): .crowdedCalls
    case .malformed, .noSocket, .unknownPath, .elsewhere, .misdirected, .wrongMethod, .tooOften,
      .draining, .full, .tooManySubscribers, .timedOut, .silent:
      nil
    }
  }

  /// Seconds for `Retry-After`, where waiting helps.
  package var retryAfterSeconds: Int? {
    switch self {
    case .tooOften(let seconds): seconds
    case .draining, .full, .tooManySubscribers: 5
    case .crowded: 1
    case .keyUnjudged: 2
    default: nil
    }
  }
}

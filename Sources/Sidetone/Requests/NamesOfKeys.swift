// How people call a key, a password or the like, wherever a name of theirs stands beside a value:
// in a URL, where no secret belongs, and among a call's parameters, which operators are shown.

extension Bytes {
  /// Whether a secret is what stands under this name. Plain text, any case. What carriers send of
  /// their own accord is none: `CallToken`, `StirPassportToken`, a SIP caller's headers; nor is
  /// `keyterm` or `keywords`.
  var isNameOfKey: Bool {
    if equalsIgnoringCase("calltoken") || equalsIgnoringCase("stirpassporttoken")
      || count > 10 && prefix(10).equalsIgnoringCase("sipheader_")
    {
      return false
    }
    for word in Self.keyWords where ends(inWord: word) { return true }
    for word in Self.keyCompounds where endsIgnoringCase(word) { return true }
    // Also those with a number or the like behind it.
    return containsIgnoringCase("api_key") || containsIgnoringCase("api-key")
      || containsIgnoringCase("apikey")
  }

  /// Whether a secret may stand under this name: what is only shown is rather hidden too often.
  var mayNameKey: Bool {
    if equalsIgnoringCase("calltoken") { return false }
    for word in Self.keyParts where containsIgnoringCase(word) { return true }
    for start in 0..<count {
      let rest = dropping(start)
      // A word of its own in `privateKey` and `auth_code`, and none in `monkey` and `author`.
      if rest.starts(with: "Key") || rest.starts(with: "Auth") || rest.starts(with: "auth_") {
        return true
      }
    }
    return isNameOfKey
  }

  private static let keyParts: [StaticString] = [
    "token", "secret", "passw", "passphrase", "pwd", "jwt", "bearer", "credential",
  ]

  /// A whole name, or the last word of one: alone, the letters may be the end of another word.
  private static let keyWords: [StaticString] = [
    "key", "token", "secret", "password", "passwd", "pwd", "auth", "jwt",
  ]

  /// These are the end of nothing else.
  private static let keyCompounds: [StaticString] = [
    "authtoken", "apitoken", "accesstoken", "passphrase", "credentials", "bearer", "authorization",
  ]

  private func ends(inWord word: StaticString) -> Bool {
    guard endsIgnoringCase(word) else { return false }
    let front = count &- word.utf8CodeUnitCount
    return front == 0 || self[front &- 1] == 0x5f || self[front &- 1] == 0x2d
  }

  private func endsIgnoringCase(_ end: StaticString) -> Bool {
    let front = count &- end.utf8CodeUnitCount
    return front >= 0 && dropping(front).equalsIgnoringCase(end)
  }
}

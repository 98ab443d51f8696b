// What came of a function that a model has called, for whoever writes it down.

extension Event {
  /// A call of a function that is over.
  package struct Function: Sendable {
    package enum Outcome: BitwiseCopyable, Sendable {
      case answered, failed
      /// The model does not want it any more, or the call has ended.
      case cancelled
      /// It made no sense.
      case refused

      var word: StaticString {
        switch self {
        case .answered: "answered"
        case .failed: "failed"
        case .cancelled: "cancelled"
        case .refused: "refused"
        }
      }
    }
    /// As the model named it.
    var name: Bytes
    var id: Name
    var milliseconds: Int
    var outcome: Outcome
    /// Why nothing came of it; empty where something did.
    var sentence: StaticString
    /// What its server has said, as HTTP has it; 0: nothing.
    var status: Int
    /// A line of the log says so.
    var isSaid: Bool
  }
}

// Ways in which nothing comes of a function that a model has called.

extension Loss {
  static let functions = [
    Loss("a function whose server refuses", "functionsFailed", "function_failed") {
      let call = try FunctionTalk()
      call.begin()
      call.call("status", "a")
      call.rig.fetcherSays("answer 1 500 whole\n\n")
      return call.rig
    },
    Loss("a call of a function that there is not", "functionsRefused", "function_failed") {
      let call = try FunctionTalk()
      call.begin()
      call.call("nothing", "a")
      return call.rig
    },
    Loss("a function that nobody waits for any more", "functionsCancelled", nil) {
      let call = try FunctionTalk("gemini")
      call.call("status", "a")
      call.talk.tell(#"{"toolCallCancellation":{"ids":["a"]}}"#)
      return call.rig
    },
    Loss("a carrier that keeps the stream of a call that it has taken", nil, "transfer_unended") {
      let order = try OrderTalk()
      order.transfer()
      order.rig.fetcherSays("answer 1 200 whole\n\n{}")
      order.rig.advance(milliseconds: 31_000)
      return order.rig
    },
  ]
}

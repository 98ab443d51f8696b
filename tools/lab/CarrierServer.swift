// The REST API of a call's carrier, beside its socket: what it is asked to do, the call then does.

import LabKit

final class CarrierServer {
  private var twin: CarrierTwin
  private var server: WebServer?

  init(
    _ manner: CarrierTwin.Manner, of callID: String, _ plan: CallPlan.Orders, on loop: Loop,
    _ done: @escaping (CarrierTwin.Deed) -> Void
  ) throws(Failure) {
    twin = CarrierTwin(manner, of: callID, key: plan.key, faults: plan.faults)
    server = try WebServer(port: plan.port, on: loop) { [unowned self] request in
      let taken = twin.take(
        CarrierTwin.Request(
          isPost: request.isPost, target: request.target,
          authorization: request.header("authorization"),
          contentType: request.header("content-type"), body: request.body))
      Console.say(taken.line)
      if let deed = taken.deed { done(deed) }
      return taken.reaction
    }
    Console.say("the carrier's REST API: \(server?.url ?? "")")
  }
}

// What a courier is told: where the records lie, and who wants what.

package struct HookConfig: Equatable, Sendable {
  package var url: String
  /// `whsec_…`; several while they rotate.
  package var secrets: [String]
  package var events: Set<EventKind>
  /// Whether `http` may leave this machine.
  package var isPlain = false

  package init(url: String, secrets: [String], events: Set<EventKind>) {
    self.url = url
    self.secrets = secrets
    self.events = events
  }
}

package struct ExtractionConfig: Equatable, Sendable {
  package var url: String
  package var model: String
  package var key: String
  package var schemaFile: String
  /// Fields that are looked for while the call runs.
  package var live: [String]
  /// Whether `http` may leave this machine.
  package var isPlain = false

  package init(url: String, model: String, key: String, schemaFile: String, live: [String]) {
    self.url = url
    self.model = model
    self.key = key
    self.schemaFile = schemaFile
    self.live = live
  }
}

package struct CourierConfig: Equatable, Sendable {
  package static let spoolBytesDefault = 1 << 30

  package var directory: String
  package var hooks: [HookConfig]
  package var extraction: ExtractionConfig?
  /// Of what waits to be delivered; beyond it interim lines are dropped first.
  package var spoolBytesMax: Int

  package init(
    directory: String, hooks: [HookConfig] = [], extraction: ExtractionConfig? = nil,
    spoolBytesMax: Int = CourierConfig.spoolBytesDefault
  ) {
    self.directory = directory
    self.hooks = hooks
    self.extraction = extraction
    self.spoolBytesMax = spoolBytesMax
  }
}

// Settings while they are being read: what has been written so far, and where. Only a draft without
// mistakes becomes a Config.

import Sidetone

struct Draft {
  /// Everything that needs no second thought lies here at once.
  var config = Config()
  var listeners = [Config.Listener()]
  var operators: [Config.Listener] = []
  var certificate = ""
  var key = ""
  var apiKeys: [String] = []
  /// A LiteLLM proxy: where it is, its own key, how long its word counts.
  var liteLLM = (url: "", masterKey: "", cacheSeconds: 60)
  var operatorKeys: [String] = []
  var voice = Voice()
  /// What is kept where anything is, and whether the file has the table that turns it on.
  var records = Config.Records()
  var extraction = Config.Extraction()
  var hooks: [WrittenHook] = []
  var hasRecordsTable = false
  var functions: [WrittenFunction] = []
  private var chosen: [String: Chosen] = [:]
  var upstreams = defaultUpstreams
  /// The key that a service's own variable gave; for every upstream of that kind without a key.
  var sharedKeys: [String: (value: String, place: Place)] = [:]
  /// What the variables of services' keys say, by their names.
  var serviceKeys: [String: String] = [:]
  /// By name, what upstreams had for a key before a service's variable took its place.
  var ownKeys: [String: String] = [:]
  /// What the variables of services' options say, by their names.
  var optionVariables: [String: (value: String, place: Place)] = [:]
  /// The port of a platform that names nothing else.
  var port: (number: UInt16, place: Place)?
  /// Addresses of listening sockets that were handed over.
  var inherited: [String] = []
  /// Variables that are not ours, and those of ours that were given.
  var strangers: [(name: String, place: Place)] = []
  var given: Set<String> = []

  var today: Day?
  var mistakes: [Mistake] = []
  /// What works, but is probably not what was meant.
  private(set) var warnings: [Mistake] = []
  /// Who had the last word on a setting, by its dotted name; also where its value was refused.
  private(set) var places: [String: Place] = [:]
  /// Settings whose value was refused, by their dotted names: nothing is concluded from these.
  private(set) var refused: Set<String> = []

  /// What the settings in force were read from, where others are to follow them: what needs a
  /// restart stays as it is there.
  var former: Settings.Reading?
  /// Digests of what was written, by dotted names; of a file that is named, of what is in it too.
  private(set) var digests: [String: [UInt8]] = [:]
  /// What was written of settings that need a restart.
  private(set) var lasting: [String: (written: Written, place: Place)] = [:]

  /// Nil: where a person watches.
  var printsTranscripts: Bool?
  var logsJSON: Bool?
  var logForm = LogForm.unset

  enum LogForm: Sendable { case unset, auto, text, json }

  /// What follows `<Start>` in the answer of a voice route, and `<Connect>` in that of a connect
  /// route.
  struct Voice {
    var say = ""
    var dial = ""
    var afterSay = ""
    var afterDial = ""
    var pauseSeconds = 3600
  }

  /// What a carrier is sent that leaves the choice to us.
  struct Chosen {
    var codec = "PCMU"
    var rate = 8000
  }

  subscript(chosenBy carrier: String) -> Chosen {
    get { chosen[carrier] ?? Chosen() }
    set { chosen[carrier] = newValue }
  }

  mutating func refuse(_ place: Place, _ text: String) {
    mistakes.append(Mistake(place, text))
  }

  mutating func warn(_ place: Place, _ text: String) {
    warnings.append(Mistake(place, text))
  }

  /// Where a setting was written, or where the first of several was.
  func place(of names: String...) -> Place {
    names.lazy.compactMap { places[$0] }.first ?? .standard
  }

  mutating func noteName(_ name: String, at place: Place) { places[name] = place }

  mutating func noteValue(_ name: String, _ written: Written, namesFile: Bool = false) {
    digests[name] = written.digest(namesFile: namesFile)
  }

  /// What was written of a setting stands for what is in a file, which is another by then.
  mutating func noteContent(_ name: String, of file: String) {
    digests[name, default: []] += contentDigest(of: file)
  }

  /// Assigns what was in force of settings that need a restart, where it is something else now.
  mutating func assignFormer() {
    guard let kept = former else { return }
    former = nil
    for name in kept.keeps.sorted() {
      guard let (written, place) = kept.lasting[name],
        let row = Setting<Draft>.all.first(where: { "\($0.table).\($0.key)" == name })
      else { continue }
      assign(row, written, at: place)
    }
    former = kept
  }

  mutating func assign(_ row: Setting<Draft>, _ written: Written, at place: Place) {
    let name = "\(row.table).\(row.key)"
    if former?.keeps.contains(name) == true { return }
    noteName(name, at: place)
    noteValue(name, written, namesFile: row.namesFile)
    if row.effect != .reload { lasting[name] = (written, place) }
    do throws(Refusal) {
      try row.assign(&self, written)
      if row.isSecret, try written.list().contains(where: isPlaceholder) {
        warn(place, "[\(row.table)] \(row.key) is a placeholder: put the real one in its place")
      }
    } catch {
      refused.insert(name)
      refuse(place, "[\(row.table)] \(row.key) \(error.text)")
    }
  }

  mutating func assign(
    _ row: Setting<Config.Upstream>, upstream name: String, _ written: Written, at place: Place
  ) {
    let index = indexOfUpstream(name)
    let table = "upstreams.\(upstreams[index].name)"
    noteName("\(table).\(row.key)", at: place)
    noteValue("\(table).\(row.key)", written, namesFile: row.namesFile)
    do throws(Refusal) {
      try row.assign(&upstreams[index], written)
    } catch {
      refused.insert("\(table).\(row.key)")
      refuse(place, "[\(table)] \(row.key) \(error.text)")
    }
  }

  /// A setting that may stand in a file of its own stands here as well, so one of them would count
  /// and nobody sees which. `prefix`: what is before the key in the name of the setting.
  mutating func refuseFile(_ key: String, beside prefix: String, _ table: String) {
    guard key.hasSuffix("_file") else { return }
    let plain = String(key.dropLast("_file".count))
    guard let file = places[prefix + key], let text = places[prefix + plain], file.isBeside(text)
    else { return }
    refuse(file, "[\(table)] has \(plain) as well as \(key): take one of them away")
  }

  /// The upstream of that name, made where there is none. Variables have neither lower case nor
  /// dashes.
  mutating func indexOfUpstream(_ name: String) -> Int {
    func plain(_ name: String) -> String {
      String(name.lowercased().map { $0 == "-" ? "_" : $0 })
    }
    if let index = upstreams.firstIndex(where: { plain($0.name) == plain(name) }) { return index }
    var upstream = Config.Upstream()
    upstream.name = name
    upstreams.append(upstream)
    return upstreams.count - 1
  }
}

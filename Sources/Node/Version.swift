/// The version of this build.
public let apusVersion = "0.1.0"

// Electron's fuses: switches burnt into the packaged program, which no argument or variable can turn back.
// Applied by the packager before signing; the names are those of @electron/fuses (FuseV1Options).
export const fuses = {
  /** ELECTRON_RUN_AS_NODE would turn a signed Lathe into a bare Node for anybody; the engine has a Node of its own. */
  RunAsNode: false,
  /** Cookies are not used by the desktop window; if ever, they are encrypted. */
  EnableCookieEncryption: true,
  /** NODE_OPTIONS and NODE_EXTRA_CA_CERTS are not ours to obey. */
  EnableNodeOptionsEnvironmentVariable: false,
  /** --inspect would hand the main process to a debugger. */
  EnableNodeCliInspectArguments: false,
  /** The archive's hash is checked when it is read (macOS, Windows). */
  EnableEmbeddedAsarIntegrityValidation: true,
  /** And nothing beside the archive can take its place. */
  OnlyLoadAppFromAsar: true,
  /** The window is served from lathe://; file:// gets no privilege beyond a browser's. */
  GrantFileProtocolExtraPrivileges: false,
} as const satisfies Record<string, boolean>

/** Of package.json, put in where the command is bundled. */
declare const VALETKEY_VERSION: string

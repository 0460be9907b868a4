/** Undefined where there is no Python with venv, or no way to PyPI. */
export function findPyJwt(): Promise<string | undefined>

-- What no process of the version before or of this one calls (prisma/functions/README.md): what was kept for processes that
-- froze by a status and that did not say what mode, whose flag or which try.
DROP TRIGGER freeze_as_fact ON connection;
DROP FUNCTION vk.freeze_as_fact();
DROP FUNCTION vk.refresh_claim(text, text, int, interval, interval);
DROP FUNCTION vk.refresh_store(text, text, int, int, text, text, timestamptz, text[]);
DROP FUNCTION vk.refresh_fail(text, text, int, int, text, text, boolean, interval);
DROP FUNCTION vk.refresh_fail(text, text, int, int, text, text, boolean, interval, boolean, interval, jsonb);
SET ROLE vk_lookup;
DROP FUNCTION lookup.tenants_of(text);
DROP FUNCTION lookup.membership(text, text);
RESET ROLE;

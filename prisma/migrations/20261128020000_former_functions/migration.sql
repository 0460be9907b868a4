-- What no process of the version before or of this one calls (prisma/functions/README.md): what was kept for processes that
-- did not say what mode, whose flag or which try.
DROP FUNCTION vk.refresh_claim(text, text, int, interval, interval);
DROP FUNCTION vk.refresh_store(text, text, int, int, text, text, timestamptz, text[]);
DROP FUNCTION vk.refresh_fail(text, text, int, int, text, text, boolean, interval);

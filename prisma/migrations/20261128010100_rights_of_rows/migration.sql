-- A migration of its own: the rows of years are rewritten under locks of rows, after those of the table are gone.
-- The owner is bound by the policies as well, so this goes tenant by tenant. The trigger does the work.
DO $$
DECLARE
  ids text[];
  t text;
BEGIN
  SET LOCAL ROLE vk_lookup;
  SELECT coalesce(array_agg(id), '{}') INTO ids FROM lookup.tenant_ids() AS id;
  RESET ROLE;
  FOREACH t IN ARRAY ids LOOP
    PERFORM set_config('app.tenant_id', t, true);
    UPDATE issued_token SET scopes_asked = scopes_asked WHERE tenant_id = t;
  END LOOP;
END $$;

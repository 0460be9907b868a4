-- Takes connections of one upstream that are due, no faster than p_rate a second over all instances (RR-11), and puts
-- them off by a minute, after which somebody else takes what was not finished. Whoever else is taking is not waited for.
-- What is frozen is looked at again when its freeze is over, or in an hour.
CREATE OR REPLACE FUNCTION vk.refresh_take(p_tenant text, p_provider text, p_rate double precision, p_burst int)
  RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  pace public.upstream_pace%ROWTYPE;
  v_now timestamptz;
  v_allowance double precision;
  v_taken text[];
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO upstream_pace (tenant_id, provider_id) VALUES (p_tenant, p_provider) ON CONFLICT DO NOTHING;
  SELECT * INTO pace FROM upstream_pace u WHERE u.tenant_id = p_tenant AND u.provider_id = p_provider FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;
  v_now := vk_now();
  IF pace.paused_until > v_now AND pace.paused_until <= v_now + interval '1 hour' THEN RETURN; END IF;
  v_allowance := least(p_burst, pace.allowance
    + p_rate * greatest(0, extract(epoch FROM v_now - coalesce(pace.allowance_at, v_now - interval '1 second'))));
  WITH due AS (
    SELECT k.id, (SELECT coalesce(max(f.until), v_now + interval '1 hour') FROM vk.frozen_by(p_tenant, k.user_id, k.provider_id,
        k.id, NULL) f HAVING count(*) > 0) AS again FROM connection k WHERE k.tenant_id = p_tenant AND k.provider_id = p_provider
      AND k.refresh_due_at <= v_now AND k.status IN ('linked', 'degraded', 'uncertain')
    ORDER BY k.refresh_due_at
    -- After a pause one tries for all.
    LIMIT CASE WHEN pace.paused_until IS NULL THEN floor(v_allowance)::int ELSE least(1, floor(v_allowance)::int) END
    FOR UPDATE SKIP LOCKED),
  taken AS (
    UPDATE connection k SET refresh_due_at = coalesce(due.again, v_now + interval '1 minute') FROM due
      WHERE k.tenant_id = p_tenant AND k.id = due.id RETURNING k.id, due.again)
  SELECT array_agg(taken.id) FILTER (WHERE taken.again IS NULL) INTO v_taken FROM taken;
  UPDATE upstream_pace u SET allowance = v_allowance - coalesce(cardinality(v_taken), 0), allowance_at = v_now
    WHERE u.tenant_id = p_tenant AND u.provider_id = p_provider;
  RETURN QUERY SELECT unnest(v_taken);
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_take(text, text, double precision, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_take(text, text, double precision, int) TO valetkey_app;

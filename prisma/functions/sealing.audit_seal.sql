-- Chains what is committed, tenant by tenant and in the order of ids. An event that commits late, with an id below the
-- tip's, comes next: seq is the order of sealing. Any process may call; one at a time does it, and a lock of the
-- transaction ends with it, also behind a pooler. Answers how many, or -1 while another one is at it.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.audit_seal(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  e record;
  v_tenant text;
  v_seq bigint;
  v_hash bytea;
  v_sealed int := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('valetkey.audit_seal')) THEN RETURN -1; END IF;
  FOR e IN WITH taken AS (
      DELETE FROM public.audit_unsealed q USING (
        SELECT w.tenant_id, w.id FROM public.audit_unsealed w ORDER BY w.tenant_id, w.id LIMIT p_limit) w
      WHERE q.tenant_id = w.tenant_id AND q.id = w.id RETURNING q.tenant_id, q.id)
    SELECT a.tenant_id, a.id, a.at, a.body FROM taken JOIN public.audit_event a USING (tenant_id, id) ORDER BY a.tenant_id, a.id LOOP
    IF e.tenant_id IS DISTINCT FROM v_tenant THEN
      UPDATE public.audit_tip t SET seq = v_seq, hash = v_hash WHERE t.tenant_id = v_tenant;
      v_tenant := e.tenant_id;
      INSERT INTO public.audit_tip (tenant_id, seq, hash) VALUES (v_tenant, 0, decode(repeat('00', 32), 'hex'))
        ON CONFLICT DO NOTHING;
      -- Locked as well: whoever took another way to here still finds the newest tip.
      SELECT t.seq, t.hash INTO v_seq, v_hash FROM public.audit_tip t WHERE t.tenant_id = v_tenant FOR UPDATE;
    END IF;
    v_seq := v_seq + 1;
    v_hash := sealing.event_hash(v_hash, v_tenant, v_seq, e.id, e.at, e.body);
    INSERT INTO public.audit_chain (tenant_id, seq, event_id, hash) VALUES (v_tenant, v_seq, e.id, v_hash);
    v_sealed := v_sealed + 1;
  END LOOP;
  UPDATE public.audit_tip t SET seq = v_seq, hash = v_hash WHERE t.tenant_id = v_tenant;
  RETURN v_sealed;
END $$;
REVOKE EXECUTE ON FUNCTION sealing.audit_seal(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing.audit_seal(int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;

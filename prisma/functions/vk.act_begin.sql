-- The first statement of every act of a person (lib/store/authority.ts): sets the tenant, locks the member rows that the
-- act concerns in id order and then the session, and tells how they stand under these locks. Whoever demotes, suspends,
-- removes or signs out either comes before, and is seen, or waits until the act has committed.
-- p_share: members who must stay as they are; p_change: members whom the act changes; p_owners: all owners as well.
-- `role` and `status` are NULL where the person is no member. `live`: the session is theirs, within its limits and not
-- refused by this tenant.
CREATE OR REPLACE FUNCTION vk.act_begin(p_tenant text, p_user text, p_session text, p_idle double precision, p_share text[],
    p_change text[], p_owners boolean)
  RETURNS TABLE (role text, status text, live boolean) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_change text[] := p_change;
  v_id text;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  IF p_owners THEN
    v_change := v_change || ARRAY(SELECT m.user_id FROM member m WHERE m.tenant_id = p_tenant AND m.role = 'owner');
  END IF;
  FOR v_id IN SELECT DISTINCT u.id FROM unnest(p_share || v_change || p_user) AS u(id) ORDER BY u.id LOOP
    IF v_id = ANY (v_change) THEN
      PERFORM 1 FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = v_id FOR UPDATE;
    ELSE
      PERFORM 1 FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = v_id FOR SHARE;
    END IF;
  END LOOP;
  PERFORM 1 FROM session s WHERE s.id = p_session FOR SHARE;
  -- Read after the locks: each statement of a VOLATILE function has a snapshot of its own.
  SELECT m.role, m.status INTO role, status FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user;
  live := EXISTS (SELECT FROM session s WHERE s.id = p_session AND s.user_id = p_user AND s.expires_at > vk_now()
      AND s.last_active_at > vk_now() - make_interval(secs => p_idle))
    AND NOT EXISTS (SELECT FROM session_refusal r WHERE r.tenant_id = p_tenant AND r.session_id = p_session);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.act_begin(text, text, text, double precision, text[], text[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.act_begin(text, text, text, double precision, text[], text[], boolean) TO valetkey_app;

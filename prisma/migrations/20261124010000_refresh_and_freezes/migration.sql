-- CreateTable
CREATE TABLE "freeze_fact" (
    "tenant_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "frozen_by" TEXT,
    "frozen_at" TIMESTAMPTZ NOT NULL,
    "reason" TEXT,
    "until" TIMESTAMPTZ,

    CONSTRAINT "freeze_fact_pkey" PRIMARY KEY ("tenant_id","kind","target_id")
);

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE freeze_fact ENABLE ROW LEVEL SECURITY;
ALTER TABLE freeze_fact FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON freeze_fact USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON freeze_fact TO valetkey_app;
ALTER TABLE freeze_fact ADD CONSTRAINT freeze_fact_kind CHECK (kind IN ('member', 'project', 'provider', 'connection', 'client', 'grant'));

-- Connections that are frozen: the status that they had beneath comes back, and the freeze becomes a fact of its own, by
-- whom and why as its event says. Nobody is told: nothing changed for them.
ALTER TABLE connection DISABLE TRIGGER tell_status;
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
    INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_by, frozen_at, reason)
      SELECT c.tenant_id, 'connection', c.id, e.body ->> 'actor', c.status_since, e.body -> 'details' ->> 'reason'
      FROM connection c LEFT JOIN LATERAL (SELECT a.body FROM audit_event a WHERE a.tenant_id = c.tenant_id
        AND a.body ->> 'action' = 'connection.frozen' AND a.body -> 'target' ->> 'id' = c.id ORDER BY a.id DESC LIMIT 1) e ON true
      WHERE c.status = 'frozen';
    UPDATE connection SET status = coalesce(frozen_from, 'linked'), frozen_from = NULL WHERE status = 'frozen';
  END LOOP;
END $$;
ALTER TABLE connection ENABLE TRIGGER tell_status;
ALTER TABLE connection DROP CONSTRAINT connection_status, DROP CONSTRAINT connection_frozen_from;
ALTER TABLE connection
  ADD CONSTRAINT connection_status CHECK (status IN ('linked', 'degraded', 'uncertain', 'needs_relink', 'revoked')),
  ADD CONSTRAINT connection_frozen_from CHECK (frozen_from IS NULL);

-- What stops the use of a connection by its owner, or of a project or provider that somebody would link: the widest first,
-- then what lasts longest. p_connection: NULL where there is none yet. p_projects: those that matter; NULL: every one that
-- the connection reaches. Who is suspended or gone stops it like a freeze (kind membership). A freeze whose time is over
-- is none. Nothing but this function decides it.
CREATE FUNCTION vk.frozen_by(p_tenant text, p_user text, p_provider text, p_connection text, p_projects text[])
  RETURNS TABLE (kind text, target_id text, frozen_by text, frozen_at timestamptz, reason text, until timestamptz)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user AND m.status = 'active') THEN
    kind := 'membership'; target_id := p_user;
    RETURN NEXT;
  END IF;
  RETURN QUERY SELECT f.kind, f.target_id, f.frozen_by, f.frozen_at, f.reason, f.until FROM freeze_fact f
    WHERE f.tenant_id = p_tenant AND (f.until IS NULL OR f.until > vk_now()) AND (
      f.kind = 'member' AND f.target_id = p_user OR f.kind = 'provider' AND f.target_id = p_provider
      OR f.kind = 'connection' AND f.target_id = p_connection
      OR f.kind = 'project' AND f.target_id = ANY (coalesce(p_projects, ARRAY(SELECT l.project_id FROM connection_project l
        WHERE l.tenant_id = p_tenant AND l.connection_id = p_connection))))
    ORDER BY array_position(ARRAY['member', 'provider', 'project', 'connection'], f.kind), f.until DESC NULLS FIRST;
END $$;

CREATE FUNCTION vk.frozen(p_tenant text, p_user text, p_provider text, p_connection text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM vk.frozen_by(p_tenant, p_user, p_provider, p_connection, NULL));
END $$;

-- A freeze, more of it and its end are told in its own transaction to everybody whom it stops. What is told is not worth
-- the freeze itself, so a failure here is only a warning.
CREATE FUNCTION vk.tell_freeze() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE f public.freeze_fact%ROWTYPE;
BEGIN
  IF TG_OP = 'DELETE' THEN f := OLD; ELSE f := NEW; END IF;
  -- It was over by itself.
  IF TG_OP = 'DELETE' AND f.until <= vk_now() THEN RETURN NULL; END IF;
  INSERT INTO notification (tenant_id, id, user_id, kind, connection_id, provider_id, details, created_at)
  SELECT f.tenant_id, vk.new_id('ntf'), w.user_id, f.kind || CASE TG_OP WHEN 'DELETE' THEN '.unfrozen' ELSE '.frozen' END,
    w.connection_id, w.provider_id, jsonb_build_object('frozen', f.kind, 'target', f.target_id, 'reason', f.reason, 'until',
      to_char(f.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'projects', w.projects), vk_now()
  FROM (
    SELECT f.target_id AS user_id, NULL AS connection_id, NULL AS provider_id, '[]'::jsonb AS projects WHERE f.kind = 'member'
    UNION ALL
    SELECT c.user_id, c.id, c.provider_id, vk.project_references(c.tenant_id, c.id) FROM connection c
      WHERE f.kind = 'connection' AND c.tenant_id = f.tenant_id AND c.id = f.target_id
    UNION ALL
    SELECT DISTINCT c.user_id, NULL, p.provider_id, jsonb_build_array(jsonb_build_object('id', p.id, 'alias', p.alias))
      FROM project p JOIN connection_project l ON l.tenant_id = p.tenant_id AND l.project_id = p.id
      JOIN connection c ON c.tenant_id = l.tenant_id AND c.id = l.connection_id AND c.status <> 'revoked'
      WHERE f.kind = 'project' AND p.tenant_id = f.tenant_id AND p.id = f.target_id
    UNION ALL
    SELECT DISTINCT c.user_id, NULL, c.provider_id, '[]'::jsonb FROM connection c
      WHERE f.kind = 'provider' AND c.tenant_id = f.tenant_id AND c.provider_id = f.target_id AND c.status <> 'revoked') w;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'a notification was not written: % %', SQLSTATE, SQLERRM;
  RETURN NULL;
END $$;
CREATE TRIGGER tell_freeze AFTER INSERT OR UPDATE OR DELETE ON freeze_fact FOR EACH ROW EXECUTE FUNCTION vk.tell_freeze();

-- Until the next release: a process of the version before freezes a connection by its status (H-06). That becomes the
-- fact; it lifts none, because it sees none.
CREATE FUNCTION vk.freeze_as_fact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES (NEW.tenant_id, 'connection', NEW.id, vk_now())
    ON CONFLICT (tenant_id, kind, target_id) DO UPDATE SET until = NULL;
  NEW.status := OLD.status; NEW.status_since := OLD.status_since; NEW.frozen_from := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER freeze_as_fact BEFORE UPDATE OF status ON connection FOR EACH ROW WHEN (NEW.status = 'frozen')
  EXECUTE FUNCTION vk.freeze_as_fact();

-- No intent before something is sent, and recovery within a known grace (RR-05). Processes of the version before call the
-- same functions and look once more before they send, so they gain by this too; those of the version before that set the
-- intent at their claim, as ever (H-06).

-- As before, but: an intent is set by vk.refresh_begin, not here, and a recovery try counts from there on.
-- p_mode also: recover (an interrupted rotation and nothing else, ahead of every pause, because its upstream forgives a
-- spent token only for so long).
CREATE OR REPLACE FUNCTION vk.refresh_claim(p_tenant text, p_connection text, p_stale int, p_margin interval, p_lease interval,
    p_mode text)
  RETURNS TABLE (outcome text, token_version int, fence int, refresh_token text, access_token text,
    access_expires_at timestamptz, uncertain boolean, doubt boolean, wait_ms int, status text, cause text, touch boolean, user_id text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c public.connection%ROWTYPE;
  pace public.upstream_pace%ROWTYPE;
  v_now timestamptz;
  v_life interval;
  v_alive boolean;
  v_held boolean;
  v_crashed boolean;
  v_fence int;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  fence := 0; uncertain := false; doubt := false; wait_ms := 0; touch := false;
  SELECT * INTO c FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT FOUND THEN
    outcome := 'missing'; token_version := 0;
    RETURN NEXT; RETURN;
  END IF;
  token_version := c.token_version; fence := c.fence; status := c.status; cause := c.cause;
  access_expires_at := c.access_expires_at; user_id := c.user_id;
  touch := c.used_at IS NULL OR c.used_at < v_now - interval '5 minutes';
  IF vk.frozen(p_tenant, c.user_id, c.provider_id, c.id) THEN
    outcome := 'dead'; status := 'frozen'; cause := NULL;
    RETURN NEXT; RETURN;
  END IF;
  IF c.status IN ('needs_relink', 'revoked') THEN
    outcome := 'dead';
    RETURN NEXT; RETURN;
  END IF;
  -- A tenant whose keys were destroyed has nothing that could be opened.
  IF NOT EXISTS (SELECT FROM tenant_key t WHERE t.tenant_id = p_tenant) THEN
    outcome := 'dead'; status := 'needs_relink'; cause := 'shredded';
    RETURN NEXT; RETURN;
  END IF;
  v_alive := c.access_token IS NOT NULL AND c.token_version > p_stale AND c.access_expires_at > v_now;
  IF v_alive THEN access_token := c.access_token; END IF;
  -- Who asks for more life than tokens of this upstream begin with would refresh at every call: half of it is enough.
  v_life := c.access_expires_at - greatest(c.last_refresh_at, c.linked_at);
  IF v_alive AND p_mode <> 'recover' AND (CASE p_mode WHEN 'need' THEN c.access_expires_at > v_now + least(p_margin, v_life / 2)
      WHEN 'due' THEN greatest(c.last_refresh_at, c.linked_at) > v_now - interval '1 minute'
      ELSE c.status = 'linked' AND c.access_expires_at > v_now + v_life / 2 END) THEN
    outcome := 'fresh';
    RETURN NEXT; RETURN;
  END IF;
  -- A claim that ends further ahead than any lease is not believed: a clock was wrong (upstreams.md 5, trap 4).
  v_held := c.claim_until IS NOT NULL AND c.claim_until >= v_now AND c.claim_until <= v_now + 2 * p_lease;
  IF v_held THEN
    outcome := 'busy'; wait_ms := ceil(extract(epoch FROM c.claim_until - v_now) * 1000)::int;
    RETURN NEXT; RETURN;
  END IF;
  IF p_mode NOT IN ('now', 'recover') AND c.next_try_at > v_now AND c.next_try_at <= v_now + interval '1 hour' THEN
    outcome := 'resting'; wait_ms := ceil(extract(epoch FROM c.next_try_at - v_now) * 1000)::int;
    RETURN NEXT; RETURN;
  END IF;
  -- Whoever had claimed it recorded no end. The stored token may be spent: it is tried once more, and only once. (The
  -- version before left an intent without a claim at an answered failure: that is a doubt, and no interruption.)
  v_crashed := c.intent_at IS NOT NULL AND c.claim_until IS NOT NULL;
  IF p_mode = 'recover' AND NOT v_crashed THEN
    outcome := 'busy';
    RETURN NEXT; RETURN;
  END IF;
  IF v_crashed AND c.recoveries >= 1 THEN
    UPDATE connection k SET status = 'needs_relink', cause = 'lost_in_rotation', status_since = v_now, refresh_token = NULL,
        claim_until = NULL, intent_at = NULL, next_try_at = NULL, refresh_due_at = NULL
      WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version AND k.fence = c.fence
        AND k.claim_until = c.claim_until AND k.status IN ('linked', 'degraded', 'uncertain');
    IF FOUND THEN
      PERFORM vk.refresh_event(p_tenant, p_connection, c.user_id, 'refresh.failed', 'refused',
        jsonb_build_object('status', 'needs_relink', 'cause', 'lost_in_rotation', 'failure', 'interrupted_twice'));
      outcome := 'dead'; status := 'needs_relink'; cause := 'lost_in_rotation';
    ELSE
      outcome := 'busy';
    END IF;
    RETURN NEXT; RETURN;
  END IF;
  -- The upstream as a whole is paused after several failures in a row; when the pause is over one caller tries for all.
  -- Locked before the connection, here and everywhere.
  SELECT * INTO pace FROM upstream_pace u WHERE u.tenant_id = p_tenant AND u.provider_id = c.provider_id;
  IF pace.paused_until IS NOT NULL AND p_mode NOT IN ('now', 'recover') THEN
    IF pace.paused_until <= v_now OR pace.paused_until > v_now + interval '1 hour' THEN
      UPDATE upstream_pace u SET paused_until = v_now + p_lease
        WHERE u.tenant_id = p_tenant AND u.provider_id = c.provider_id AND u.paused_until = pace.paused_until;
      IF NOT FOUND THEN
        outcome := 'resting'; wait_ms := 1000;
        RETURN NEXT; RETURN;
      END IF;
    ELSE
      outcome := 'resting'; wait_ms := ceil(extract(epoch FROM pace.paused_until - v_now) * 1000)::int;
      RETURN NEXT; RETURN;
    END IF;
  END IF;
  -- The version is part of the claim: without it a caller that read just before a write-back claims again (RR-03). So is
  -- the claim that was seen to be over: a holder whose last look commits this late has begun (RR-02). Nothing is sent
  -- under a claim alone, so it sets no intent; one that is open stays until a recovery try is begun or somebody ends it.
  UPDATE connection k SET fence = k.fence + 1, claim_until = v_now + p_lease,
      intent_at = CASE WHEN v_crashed THEN k.intent_at END, doubt = k.doubt OR c.intent_at IS NOT NULL,
      status = CASE WHEN v_crashed THEN 'uncertain' ELSE k.status END,
      cause = CASE WHEN v_crashed THEN NULL ELSE k.cause END,
      status_since = CASE WHEN v_crashed AND k.status <> 'uncertain' THEN v_now ELSE k.status_since END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version AND k.fence = c.fence
      AND k.claim_until IS NOT DISTINCT FROM c.claim_until AND k.status IN ('linked', 'degraded', 'uncertain')
    RETURNING k.fence INTO v_fence;
  IF NOT FOUND THEN
    outcome := 'busy';
    RETURN NEXT; RETURN;
  END IF;
  outcome := 'claimed'; fence := v_fence; refresh_token := c.refresh_token; uncertain := v_crashed;
  doubt := c.doubt OR c.intent_at IS NOT NULL; status := CASE WHEN v_crashed THEN 'uncertain' ELSE c.status END;
  RETURN NEXT;
END $$;

-- The last look before anything is sent: whether the claim still stands, which then begins anew. What came between (a
-- busy pool, a paused process) does not count against the lease, and a token that a successor spent is not sent (RR-02).
-- From here on the token may be sent: a death before it costs nothing, however often. An intent that is older than the
-- claim is of a holder that was cut off, so this is the recovery try. (One as old as the claim was set by the claim
-- itself, which was made by the version before and has counted.)
CREATE OR REPLACE FUNCTION vk.refresh_begin(p_tenant text, p_connection text, p_sent int, p_fence int, p_lease interval)
  RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  UPDATE connection k SET claim_until = v_now + p_lease, intent_at = v_now,
      recoveries = k.recoveries + CASE WHEN k.intent_at < k.claim_until - p_lease THEN 1 ELSE 0 END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence
      AND k.claim_until >= v_now AND k.status IN ('linked', 'degraded', 'uncertain')
      AND NOT vk.frozen(p_tenant, k.user_id, k.provider_id, k.id);
  RETURN FOUND;
END $$;

-- Gives back a claim under which nothing was sent, as if it had not been made: its holder could not even read the token.
-- It rests a little, so that one who can may take it. An interruption stays open, its recovery try still to come (a claim
-- on it was possible only because none had been begun).
CREATE OR REPLACE FUNCTION vk.refresh_release(p_tenant text, p_connection text, p_sent int, p_fence int, p_uncertain boolean)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET claim_until = CASE WHEN p_uncertain THEN vk_now() END,
      intent_at = CASE WHEN p_uncertain THEN k.intent_at END, next_try_at = vk_now() + random() * interval '2 seconds',
      recoveries = CASE WHEN p_uncertain THEN 0 ELSE k.recoveries END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence;
END $$;

-- Records a refresh that brought nothing. p_reached: the refresh token may have been acted upon, so that a later refusal
-- means lost in rotation. p_upstream: whether the failure is the upstream's as a whole and counts towards its pause, or
-- shows that it answers; NULL: neither. Connections are counted, not calls: one that ails alone pauses nobody else.
-- p_retry: what the upstream asked to wait. p_uncertain: it was the recovery try, which still counts unless it surely
-- reached nothing: the count falls with a new version only, or a spent token would be tried again and again.
-- A late loser changes nothing (RR-08): version and fence must still be its own.
CREATE FUNCTION vk.refresh_fail(p_tenant text, p_connection text, p_sent int, p_fence int, p_status text, p_cause text,
    p_reached boolean, p_rest interval, p_upstream boolean, p_retry interval, p_details jsonb,
    p_uncertain boolean)
  RETURNS TABLE (changed boolean, paused boolean) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_provider text;
  v_until timestamptz;
  v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  SELECT k.provider_id INTO v_provider FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  changed := false; paused := false;
  IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;
  IF p_upstream THEN
    INSERT INTO upstream_pace AS u (tenant_id, provider_id, failures, last_failed, paused_until)
      VALUES (p_tenant, v_provider, 1, p_connection, v_now + p_retry)
      ON CONFLICT (tenant_id, provider_id) DO UPDATE SET last_failed = p_connection,
        failures = u.failures + CASE WHEN u.last_failed IS DISTINCT FROM p_connection THEN 1 ELSE 0 END,
        -- From the third in a row: full jitter over a doubling span, at most a minute; Retry-After is a floor.
        paused_until = CASE WHEN u.failures + CASE WHEN u.last_failed IS DISTINCT FROM p_connection THEN 1 ELSE 0 END >= 3
            OR p_retry IS NOT NULL THEN v_now + greatest(
          coalesce(p_retry, interval '1 second'),
          random() * make_interval(secs => least(2 ^ least(u.failures, 10), 60))) END
      RETURNING u.paused_until INTO v_until;
    paused := v_until IS NOT NULL;
  ELSIF NOT p_upstream THEN
    UPDATE upstream_pace u SET failures = 0, last_failed = NULL, paused_until = NULL
      WHERE u.tenant_id = p_tenant AND u.provider_id = v_provider AND u.failures > 0;
  END IF;
  SELECT * INTO old FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection FOR UPDATE;
  IF old.token_version <> p_sent OR old.fence <> p_fence OR old.status IN ('revoked', 'needs_relink') THEN
    RETURN NEXT; RETURN;
  END IF;
  UPDATE connection k SET claim_until = NULL, intent_at = NULL, doubt = k.doubt OR p_reached,
      recoveries = CASE WHEN p_uncertain AND NOT p_reached THEN 0 ELSE k.recoveries END,
      next_try_at = CASE WHEN p_status <> 'needs_relink' THEN v_now + p_rest END, failures = k.failures + 1,
      refresh_due_at = CASE WHEN p_status <> 'needs_relink' THEN v_now + p_rest END,
      status = p_status, cause = p_cause, status_since = CASE WHEN k.status = p_status THEN k.status_since ELSE v_now END,
      refresh_token = CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN NULL ELSE k.refresh_token END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  -- Once a change, not once a failed call.
  IF (old.status, old.cause) IS DISTINCT FROM (p_status, p_cause) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.failed',
      CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN 'refused' ELSE 'failed' END,
      p_details || jsonb_build_object('status', p_status, 'cause', p_cause, 'served', old.access_token IS NOT NULL AND
        old.access_expires_at > v_now));
  END IF;
  changed := true;
  RETURN NEXT;
END $$;

-- For processes of the version before, which do not say whether it was the recovery try.
CREATE OR REPLACE FUNCTION vk.refresh_fail(p_tenant text, p_connection text, p_sent int, p_fence int, p_status text, p_cause text,
    p_reached boolean, p_rest interval, p_upstream boolean, p_retry interval, p_details jsonb)
  RETURNS TABLE (changed boolean, paused boolean) LANGUAGE sql VOLATILE AS $$
  SELECT f.changed, f.paused FROM vk.refresh_fail(p_tenant, p_connection, p_sent, p_fence, p_status, p_cause, p_reached, p_rest,
    p_upstream, p_retry, p_details, false) f
$$;

-- As before, but for the status of a freeze: what happens beneath one is stored as it is.
CREATE OR REPLACE FUNCTION vk.refresh_store(p_tenant text, p_connection text, p_sent int, p_fence int, p_refresh text, p_access text,
    p_life interval, p_scopes text[], p_grant interval, p_keep interval, p_quiet boolean, p_flag text)
  RETURNS TABLE (outcome text, access_expires_at timestamptz) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_now timestamptz;
  v_status text := CASE WHEN p_flag IS NULL THEN 'linked' ELSE 'needs_relink' END;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  UPDATE upstream_pace u SET failures = 0, last_failed = NULL, paused_until = NULL
    WHERE u.tenant_id = p_tenant AND u.failures > 0
      AND u.provider_id = (SELECT k.provider_id FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection);
  SELECT * INTO old FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection FOR UPDATE;
  IF old.status = 'revoked' OR old.id IS NULL THEN
    outcome := 'revoked';
    RETURN NEXT; RETURN;
  END IF;
  IF old.token_version <> p_sent OR NOT (old.fence = p_fence OR old.doubt OR coalesce(old.cause, '') = 'lost_in_rotation') THEN
    outcome := 'superseded';
    RETURN NEXT; RETURN;
  END IF;
  UPDATE connection k SET refresh_token = p_refresh, access_token = p_access, access_expires_at = v_now + p_life,
      -- A scope that was never granted is not believed to have been won by a refresh (RFC 6749 6).
      scopes_granted = CASE WHEN p_scopes IS NULL THEN k.scopes_granted WHEN k.scopes_granted = '{}' THEN p_scopes
        ELSE ARRAY(SELECT s FROM unnest(p_scopes) s WHERE s = ANY (k.scopes_granted)) END,
      token_version = k.token_version + 1, claim_until = NULL, intent_at = NULL, doubt = false, recoveries = 0,
      next_try_at = NULL, failures = 0, last_refresh_at = v_now,
      refresh_due_at = vk.refresh_due(k.used_at, v_now, p_life, p_keep),
      grant_expires_at = CASE WHEN p_grant IS NOT NULL THEN v_now + least(p_grant, interval '3650 days') END,
      status = v_status, cause = p_flag, status_since = CASE WHEN k.status = v_status THEN k.status_since ELSE v_now END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT (p_quiet AND old.status = 'linked' AND p_flag IS NULL) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.succeeded', 'ok', jsonb_build_object(
      'version', p_sent + 1, 'before', old.status, 'scheduled', p_quiet, 'flag', p_flag));
  END IF;
  outcome := 'stored'; access_expires_at := v_now + p_life;
  RETURN NEXT;
END $$;

-- As before, but: what is frozen is looked at again when its freeze is over, or in an hour.
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

-- Interrupted rotations: an intent whose holder is gone, because its lease is over.
CREATE INDEX connection_interrupted ON connection (claim_until)
  WHERE intent_at IS NOT NULL AND claim_until IS NOT NULL AND status IN ('linked', 'degraded', 'uncertain');
GRANT SELECT (id, user_id, intent_at, claim_until) ON connection TO vk_lookup;
GRANT SELECT (tenant_id, connection_id, project_id) ON connection_project TO vk_lookup;
CREATE POLICY gauges ON connection_project FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, kind, target_id, until) ON freeze_fact TO vk_lookup;
CREATE POLICY gauges ON freeze_fact FOR SELECT TO vk_lookup USING (true);
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
-- Those begun within p_within; upstreams take turns. `seconds`: how long ago the token was sent, at the latest.
CREATE FUNCTION lookup.interrupted(p_within interval, p_limit int)
  RETURNS TABLE (tenant_id text, id text, provider_id text, seconds double precision)
  LANGUAGE sql VOLATILE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT d.tenant_id, d.id, d.provider_id, extract(epoch FROM d.now - d.intent_at)::float8 FROM (
    SELECT c.tenant_id, c.id, c.provider_id, c.intent_at, n.now,
      row_number() OVER (PARTITION BY c.tenant_id, c.provider_id ORDER BY c.intent_at) AS turn
    FROM (SELECT public.vk_now() AS now) n, public.connection c
    WHERE c.intent_at > n.now - p_within AND c.claim_until < n.now AND c.status IN ('linked', 'degraded', 'uncertain')) d
  WHERE d.turn <= 32 ORDER BY d.turn, d.intent_at LIMIT p_limit;
END;

-- As before, but: a connection that is frozen counts as that, whatever its status beneath, unless it is revoked.
CREATE OR REPLACE FUNCTION lookup.gauges(p_now timestamptz)
  RETURNS TABLE (gauge text, kind text, label text, amount bigint, oldest timestamptz)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  WITH freezes AS (SELECT f.tenant_id, f.kind, f.target_id FROM public.freeze_fact f WHERE f.until IS NULL OR f.until > p_now),
  told AS (
    SELECT p.kind, c.status, c.refresh_due_at, (c.tenant_id, c.id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'connection')
      OR (c.tenant_id, c.provider_id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'provider')
      OR (c.tenant_id, c.user_id) IN (SELECT f.tenant_id, f.target_id FROM freezes f WHERE f.kind = 'member')
      OR (c.tenant_id, c.id) IN (SELECT l.tenant_id, l.connection_id FROM freezes f JOIN public.connection_project l
        ON l.tenant_id = f.tenant_id AND l.project_id = f.target_id WHERE f.kind = 'project')
      OR (c.tenant_id, c.user_id) NOT IN (SELECT m.tenant_id, m.user_id FROM public.member m WHERE m.status = 'active') AS frozen
    FROM public.connection c JOIN public.provider p ON p.tenant_id = c.tenant_id AND p.id = c.provider_id),
  held AS (
    SELECT t.kind, CASE WHEN t.frozen AND t.status <> 'revoked' THEN 'frozen' ELSE t.status END AS status, t.refresh_due_at,
      t.status IN ('linked', 'degraded', 'uncertain') AND NOT t.frozen AS alive FROM told t)
  SELECT 'connections', h.kind, h.status, count(*), NULL::timestamptz FROM held h GROUP BY h.kind, h.status
  UNION ALL
  SELECT 'cooldowns', p.kind, NULL, count(*), NULL FROM public.upstream_pace u
    JOIN public.provider p ON p.tenant_id = u.tenant_id AND p.id = u.provider_id WHERE u.paused_until > p_now GROUP BY p.kind
  UNION ALL
  SELECT 'refreshes_due', h.kind, NULL, count(*), min(h.refresh_due_at) FROM held h
    WHERE h.alive AND h.refresh_due_at <= p_now GROUP BY h.kind
  UNION ALL
  SELECT 'revocations', NULL, r.state, count(*), min(r.created_at) FROM public.upstream_revocation r
    WHERE r.state IN ('pending', 'failed') GROUP BY r.state
  UNION ALL
  SELECT 'issues_unfinished', NULL, NULL, count(*), min(t.created_at) FROM public.issued_token t WHERE t.status = 'issuing'
  UNION ALL
  SELECT 'audit_unsealed', NULL, NULL, count(*), min(e.at) FROM public.audit_event e WHERE e.seq IS NULL
  UNION ALL
  SELECT 'audit_outbox', NULL, NULL, count(*), min(o.at) FROM public.audit_outbox o;
END;
REVOKE EXECUTE ON FUNCTION lookup.interrupted(interval, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.interrupted(interval, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA vk FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vk TO valetkey_app;

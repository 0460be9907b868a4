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
  IF c.status IN ('needs_relink', 'frozen', 'revoked') THEN
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
      AND k.claim_until >= v_now AND k.status IN ('linked', 'degraded', 'uncertain');
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
      frozen_from = CASE WHEN k.status = 'frozen' THEN p_status END,
      status = CASE WHEN k.status = 'frozen' THEN k.status ELSE p_status END, cause = p_cause,
      status_since = CASE WHEN k.status IN (p_status, 'frozen') THEN k.status_since ELSE v_now END,
      refresh_token = CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN NULL ELSE k.refresh_token END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  -- Once a change, not once a failed call.
  IF (coalesce(old.frozen_from, old.status), old.cause) IS DISTINCT FROM (p_status, p_cause) THEN
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

-- Interrupted rotations: an intent whose holder is gone, because its lease is over.
CREATE INDEX connection_interrupted ON connection (claim_until)
  WHERE intent_at IS NOT NULL AND claim_until IS NOT NULL AND status IN ('linked', 'degraded', 'uncertain');
GRANT SELECT (id, intent_at, claim_until) ON connection TO vk_lookup;
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
REVOKE EXECUTE ON FUNCTION lookup.interrupted(interval, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.interrupted(interval, int) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA vk FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vk TO valetkey_app;

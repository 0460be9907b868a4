-- Sessions and requests are selected and ended as tokens, connections and grants are.
ALTER TABLE revocation_act DROP CONSTRAINT revocation_act_kind;
ALTER TABLE revocation_act ADD CONSTRAINT revocation_act_kind
  CHECK (kind IN ('held', 'tokens', 'connections', 'grants', 'sessions', 'requests'));

-- What is open among what is kept for a day after its end.
CREATE INDEX attempt_pending ON attempt (tenant_id, expires_at) WHERE status = 'pending';
CREATE INDEX link_request_asked ON link_request (tenant_id, expires_at) WHERE status IN ('asked', 'accepted');
CREATE INDEX authorization_request_pending ON authorization_request (client_id, expires_at) WHERE status = 'pending';
CREATE INDEX authorization_request_approved ON authorization_request (tenant_chosen, expires_at) WHERE status = 'approved';

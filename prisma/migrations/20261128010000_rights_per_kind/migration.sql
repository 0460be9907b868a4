-- Which kinds and strategies there are, the product knows (lib/providers); a row of a kind that it does not know is shown as
-- misconfigured. Looser than before, so processes of the version before go on.
ALTER TABLE provider DROP CONSTRAINT provider_kind, ADD CONSTRAINT provider_kind CHECK (kind ~ '^[a-z][a-z0-9_-]{0,31}$');
ALTER TABLE issued_token DROP CONSTRAINT issued_token_strategy,
  ADD CONSTRAINT issued_token_strategy CHECK (strategy IN ('mint', 'exchange', 'narrow', 'proxy', 'sign'));

-- Rights are stored in snake case. A process of the version before reads and writes two names of Keboola's in camel case: while
-- one may still run, a row holds both.
CREATE OR REPLACE FUNCTION vk.rights_in_both_forms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  asked jsonb := NEW.scopes_asked;
  granted jsonb := NEW.scopes_granted;
BEGIN
  IF asked ?| ARRAY['manage_buckets', 'manageBuckets'] THEN
    asked := jsonb_build_object('manage_buckets', asked -> 'manageBuckets', 'read_all_files', asked -> 'readAllFiles') || asked;
    NEW.scopes_asked := asked
      || jsonb_build_object('manageBuckets', asked -> 'manage_buckets', 'readAllFiles', asked -> 'read_all_files');
  END IF;
  IF granted ?| ARRAY['manage_buckets', 'manageBuckets'] THEN
    granted := jsonb_build_object('manage_buckets', granted -> 'manageBuckets', 'read_all_files', granted -> 'readAllFiles') || granted;
    NEW.scopes_granted := granted
      || jsonb_build_object('manageBuckets', granted -> 'manage_buckets', 'readAllFiles', granted -> 'read_all_files');
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION vk.rights_in_both_forms() FROM PUBLIC;
CREATE TRIGGER rights_in_both_forms BEFORE INSERT OR UPDATE OF scopes_asked, scopes_granted ON issued_token
  FOR EACH ROW EXECUTE FUNCTION vk.rights_in_both_forms();

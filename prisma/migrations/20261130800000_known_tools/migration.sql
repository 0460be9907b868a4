-- What the gateway must know of a tool that is called, in one statement: its server's word as the catalogue has it. No row: no list has
-- had it.
CREATE OR REPLACE FUNCTION vk.mcp_tool_known(p_tenant text, p_project text, p_name text)
  RETURNS TABLE (hash text, read_only boolean, reviewed_hash text) LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  RETURN QUERY SELECT t.hash, t.read_only, t.reviewed_hash FROM mcp_tool t
    WHERE t.tenant_id = p_tenant AND t.project_id = p_project AND t.name = p_name;
END $$;
REVOKE EXECUTE ON FUNCTION vk.mcp_tool_known(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.mcp_tool_known(text, text, text) TO valetkey_app;

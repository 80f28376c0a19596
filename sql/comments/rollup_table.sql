COMMENT ON FUNCTION api.rollup_table(text) IS
'Name of the table, with its schema, that holds the rows of a rollup: where they are written when nothing is left that they could be made of.';

-- Lets energy_reader log in with the password of the environment; psql runs it, see docker-compose.yml.

\getenv password GRAFANA_PASSWORD
SET log_statement = 'none';
ALTER ROLE energy_reader PASSWORD :'password';

{{ config(alias='identities') }}
-- Links between ids of one customer.
with links as (
    select * from {{ landed('identities') }}
    qualify row_number() over (partition by alias, customer_no order by delivered desc) = 1
)

select
    alias as alias_id,
    customer_no as customer_id,
    linked_at
from links

-- Links between ids of one customer.
with links as (
    select * from landed.identities
)

select
    alias as alias_id,
    customer_no as customer_id,
    linked_at
from links

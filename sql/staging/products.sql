-- The catalogue.
with catalogue as (
    select * from landed.products
)

select
    sku as product_id,
    title as name,
    category,
    list_price as unit_price
from catalogue
